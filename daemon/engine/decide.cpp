#include "engine/decide.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/narrate.hpp"
#include "engine/server_clock.hpp"

namespace pgcurfew {

namespace {

/// A case whose next step is due.
struct DueStep {
  const Case* due_case = nullptr;
  NextStep next;
  StepKind kind = StepKind::kAlert;
  Mode mode = Mode::kDryRun;
};

class Decider {
 public:
  Decider(const Policy& policy, const Snapshot& snapshot, const Docket& docket, Ledger& ledger, Now now)
      : policy_(policy), snapshot_(snapshot), docket_(docket), ledger_(ledger), now_(now) {}

  Decision run() {
    if (ledger_.breaker.close_if_quiet(now_.monotonic)) tell(breaker_closed_event(Mode::kEnforce));
    if (ledger_.rehearsed_breaker.close_if_quiet(now_.monotonic)) tell(breaker_closed_event(Mode::kDryRun));
    for (std::size_t i = 0; i < docket_.cases.size();) i = look_at_session(i);
    order_signals(Mode::kEnforce, enforced_, ledger_.breaker);
    order_signals(Mode::kDryRun, rehearsed_, ledger_.rehearsed_breaker);
    for (const auto& alert : alerts_) {
      if (ledger_.in_flight >= kMostInFlight) break;
      place_order(alert, false);
    }
    return std::move(decision_);
  }

 private:
  /// The strongest due step of a session in one mode, and those that it carries along.
  struct Choice {
    DueStep chosen;
    std::vector<DueStep> superseded;
  };

  const Session& session_of(const Case& a_case) const { return snapshot_.sessions[a_case.session]; }
  void tell(Event event) { decision_.events.push_back(std::move(event)); }
  void wake_by(MonotonicTime time) { decision_.wake = std::min(decision_.wake.value_or(time), time); }

  /// Takes all cases of one session, from index `first`; gives the index behind them.
  std::size_t look_at_session(std::size_t first) {
    std::size_t end = first;
    std::vector<DueStep> signals_by_mode[2];
    while (end < docket_.cases.size() && docket_.cases[end].session == docket_.cases[first].session) {
      const auto& a_case = docket_.cases[end++];
      const auto due = due_step_of(a_case);
      if (!due) continue;
      if (due->kind == StepKind::kAlert) {
        alerts_.push_back(*due);
      } else if (may_be_signalled(session_of(a_case).key)) {
        signals_by_mode[due->mode == Mode::kEnforce ? 0 : 1].push_back(*due);
      }
    }
    choose(std::move(signals_by_mode[0]), enforced_);
    choose(std::move(signals_by_mode[1]), rehearsed_);
    return end;
  }

  bool may_be_signalled(const SessionKey& session) const {
    if (ledger_.denied.contains(session)) return false;
    const auto touched = ledger_.touched.find(session);
    return touched == ledger_.touched.end() || touched->second <= docket_.look;
  }

  std::optional<DueStep> due_step_of(const Case& a_case) {
    const auto& rule = policy_.rules[a_case.rule];
    const auto& session = session_of(a_case);
    const auto found = ledger_.episodes.find({session.key, a_case.rule});
    const Episode* episode = found == ledger_.episodes.end() ? nullptr : &found->second;
    if (episode != nullptr && (episode->in_flight || episode->look_needed > docket_.look))
      return std::nullopt;
    // over, but not settled: the look that shows it has overtaken the reply
    if (episode != nullptr && episode->anchor != a_case.judgement.anchor) episode = nullptr;
    if (episode != nullptr) {
      if (episode->is_closed) return std::nullopt;
      if (episode->not_before && *episode->not_before > now_.monotonic) {
        wake_by(*episode->not_before);
        return std::nullopt;
      }
    }
    const auto next = next_step_of(rule, session, a_case.judgement, episode, docket_.steps);
    if (!next) return std::nullopt;
    if (next->due > now_.server) {
      decision_.next_due = std::min(decision_.next_due.value_or(next->due), next->due);
      return std::nullopt;
    }
    return DueStep{&a_case, *next, rule.escalate[next->number].kind, rule.mode};
  }

  static void choose(std::vector<DueStep> due, std::vector<Choice>& choices) {
    if (due.empty()) return;
    // cases stand in the order of the file, and max_element keeps the first of equals
    const auto strongest = std::max_element(
        due.begin(), due.end(), [](const DueStep& a, const DueStep& b) { return a.kind < b.kind; });
    Choice choice{*strongest, {}};
    due.erase(strongest);
    choice.superseded = std::move(due);
    choices.push_back(std::move(choice));
  }

  void order_signals(Mode mode, std::vector<Choice>& choices, Breaker& breaker) {
    if (choices.empty()) {
      if (breaker.is_open()) wake_by(*breaker.open_until());
      return;
    }
    // by session where they fell due together: which of them a bound lets pass must not rest on how the
    // server happens to list them
    std::sort(choices.begin(), choices.end(), [this](const Choice& a, const Choice& b) {
      return std::pair(a.chosen.next.due, session_of(*a.chosen.due_case).key) <
             std::pair(b.chosen.next.due, session_of(*b.chosen.due_case).key);
    });
    const auto admission =
        breaker.admit(policy_.safety, choices.size(), docket_.client_backends, now_.monotonic);
    if (admission.trip != Breaker::Trip::kNone) {
      tell(breaker_opened_event(admission.trip, policy_.safety, choices.size(),
                                choices.size() - admission.admitted, docket_.client_backends, mode));
    }
    if (breaker.is_open()) wake_by(*breaker.open_until());
    for (std::size_t i = 0; i < admission.admitted; ++i) {
      if (ledger_.in_flight >= kMostInFlight) {
        breaker.refund(now_.monotonic);
        continue;
      }
      const auto order = place_order(choices[i].chosen, mode == Mode::kEnforce);
      for (const auto& superseded : choices[i].superseded) supersede(superseded, order);
    }
  }

  Order place_order(const DueStep& due, bool is_signal) {
    const auto& a_case = *due.due_case;
    const auto& rule = policy_.rules[a_case.rule];
    const auto& session = session_of(a_case);
    Order order;
    order.decision = fmt::format("{}-{}", ledger_.prefix, ++ledger_.decisions);
    if (is_signal) order.action = due.kind == StepKind::kCancel ? Action::kCancel : Action::kTerminate;
    const bool rests_on_state = due.kind == StepKind::kCancel || due.next.skipped_cancel;
    order.guard = make_guard(policy_, rule, session, rests_on_state);
    order.guard.not_before = due.next.due;
    order.guard.not_after = now_.server + ServerClockEstimate::kTolerance;
    order.policy = policy_.version;
    order.ordered_at = now_.monotonic;
    order.rule = rule.name;
    order.is_beyond_us = session.is_beyond_us;
    order.mode = rule.mode;
    order.step = due.kind;
    order.step_number = due.next.number;
    order.step_count = rule.escalate.size();
    order.clock = a_case.judgement.clock;
    order.clock_start = a_case.judgement.clock_start;
    order.limit = a_case.judgement.limit;
    order.age = now_.server - a_case.judgement.clock_start;
    order.grace = rule.escalate[due.next.number].after;
    order.database = session.database;
    order.user = session.user;
    order.application_name = session.application_name;
    order.state = session.state;
    note_in_ledger(due, order, false);
    if (is_signal) ledger_.touched[session.key] = ledger_.looks_sent + 1;
    ++ledger_.in_flight;
    tell(intent_event(order));
    decision_.orders.push_back(order);
    return order;
  }

  void supersede(const DueStep& due, const Order& order) {
    note_in_ledger(due, order, true);
    tell(superseded_event(order, policy_.rules[due.due_case->rule].name, due.kind));
  }

  void note_in_ledger(const DueStep& due, const Order& order, bool is_carried) {
    auto& episode = ledger_.episodes[{order.guard.session, due.due_case->rule}];
    const auto anchor = due.due_case->judgement.anchor;
    if (episode.anchor != anchor) episode = {};
    episode.anchor = anchor;
    episode.mode = order.mode;
    episode.policy = order.policy;
    episode.decision = order.decision;
    episode.ordered_step = due.next.number;
    episode.ordered_kind = due.kind;
    episode.in_flight = true;
    episode.is_carried = is_carried;
    episode.awaits_verification = false;
    episode.told_still_there = false;
    if (order.is_signal()) episode.look_needed = ledger_.looks_sent + 1;
  }

  const Policy& policy_;
  const Snapshot& snapshot_;
  const Docket& docket_;
  Ledger& ledger_;
  const Now now_;
  std::vector<Choice> enforced_;
  std::vector<Choice> rehearsed_;
  std::vector<DueStep> alerts_;
  Decision decision_;
};

}  // namespace

std::optional<NextStep> next_step_of(const Rule& rule, const Session& session, const Judgement& judgement,
                                     const Episode* episode, const ClockSteps& steps) {
  const bool begun = episode != nullptr && episode->stepped_at.has_value();
  NextStep next;
  next.number = episode != nullptr ? episode->next_step : 0;
  next.due = begun ? steps.end_of(*episode->stepped_at, Duration(0)) : judgement.due;
  for (; next.number < rule.escalate.size(); ++next.number) {
    const auto& step = rule.escalate[next.number];
    next.due += step.after;
    if (step.kind != StepKind::kCancel || can_be_cancelled(session)) {
      // the limit can have moved since the step before: an exception fits now, a coarser clock began anew
      next.due = std::max(next.due, judgement.due);
      return next;
    }
    next.skipped_cancel = true;
  }
  return std::nullopt;
}

Decision decide(const Policy& policy, const Snapshot& snapshot, const Docket& docket, Ledger& ledger,
                Now now) {
  return Decider(policy, snapshot, docket, ledger, now).run();
}

}  // namespace pgcurfew
