#include "engine/decide.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "engine/due_steps.hpp"
#include "engine/narrate.hpp"
#include "engine/order_desk.hpp"

namespace pgcurfew {

namespace {

class Decider {
 public:
  Decider(const Policy& policy, const Look& look, const Docket& docket,
          const std::vector<DrainClaims>& drains, Ledger& ledger, Now now)
      : policy_(policy), look_(look), docket_(docket), drains_(drains), ledger_(ledger), now_(now) {}

  Decision run() {
    close_if_quiet(Mode::kEnforce, ledger_.breaker);
    close_if_quiet(Mode::kDryRun, ledger_.rehearsed_breaker);
    auto due = due_steps(policy_, look_, docket_, drains_, ledger_, now_, decision_);
    const auto signals = hold_back(std::move(due.signals));
    for (std::size_t i = 0; i < signals.size();) i = choose_for_session(signals, i);
    auto drains = order_signals(Mode::kEnforce, enforced_, ledger_.breaker);
    auto rehearsed_drains = order_signals(Mode::kDryRun, rehearsed_, ledger_.rehearsed_breaker);
    for (const auto& alert : due.alerts) {
      if (ledger_.in_flight >= kMostInFlight) break;
      order({alert, {}}, false);
    }
    // a drain is meant to end every session; no rule should wait behind a thousand of its signals
    order_unbounded(Mode::kEnforce, std::move(drains));
    order_unbounded(Mode::kDryRun, std::move(rehearsed_drains));
    order_unbounded(Mode::kDryRun, std::move(if_still_));
    return std::move(decision_);
  }

 private:
  /// The strongest due step of a session in one mode, and the steps that count as done by it.
  struct Choice {
    DueStep chosen;
    std::vector<DueStep> superseded;
  };

  /// How many of a rule's steps may be taken now, and what holds the others back.
  struct Room {
    std::size_t many = 0;
    Stand held_by = Stand::kAtMost;
    std::optional<MonotonicTime> until;
  };

  const Session& session_of(const DueStep& due) const { return look_.sessions[due.session]; }
  const Episode* current_episode_of(const DueStep& due) const {
    const auto* episode = ledger_.find({session_of(due).key, due.claimant});
    return episode != nullptr && episode->anchor == due.anchor ? episode : nullptr;
  }

  /// Whether the bounds would admit the session now.
  bool may_go(const DueStep& due) const {
    const auto& breaker = due.mode == Mode::kEnforce ? ledger_.breaker : ledger_.rehearsed_breaker;
    return breaker.may_go(policy_.safety, tenant_of(session_of(due)), docket_.client_backends,
                          now_.monotonic);
  }

  static Tenant tenant_of(const Session& session) { return {session.database, session.user}; }

  void close_if_quiet(Mode mode, Breaker& breaker) {
    for (const auto& tenant : breaker.close_if_quiet(now_.monotonic))
      decision_.events.push_back(breaker_closed_event(tenant, mode));
  }

  /// For each rule with `at_most` or `pause`, keeps only the sessions that it may act on now, the longest due
  /// first.
  std::vector<DueStep> hold_back(std::vector<DueStep> signals) {
    std::vector<bool> is_held(signals.size(), false);
    for (std::size_t r = 0; r < policy_.rules.size(); ++r) {
      const auto& selection = policy_.rules[r].selection;
      if (!selection.at_most && selection.pause == Duration(0)) continue;
      std::vector<std::size_t> own;
      for (std::size_t i = 0; i < signals.size(); ++i) {
        if (signals[i].claimant.rule == r && !signals[i].if_still) own.push_back(i);
      }
      // a session that the bounds hold back takes no other's place; if places are left, the breaker reports
      // it
      const auto turn = [&](std::size_t i) { return std::pair(!may_go(signals[i]), turn_of(signals[i])); };
      std::sort(own.begin(), own.end(), [&](std::size_t a, std::size_t b) { return turn(a) < turn(b); });
      const auto room = room_of(r, selection, own.size());
      for (std::size_t i = room.many; i < own.size(); ++i) {
        is_held[own[i]] = true;
        signals[own[i]].standing->set(room.held_by, {}, room.until);
      }
    }
    std::vector<DueStep> kept;
    for (std::size_t i = 0; i < signals.size(); ++i) {
      if (!is_held[i]) kept.push_back(std::move(signals[i]));
    }
    return kept;
  }

  /// How many of the `due` steps a rule may take now.
  Room room_of(std::size_t rule, const Selection& selection, std::size_t due) {
    Room room{due, Stand::kAtMost, {}};
    if (due == 0) return room;
    const auto found = ledger_.paces.find(rule);
    const auto pace = found == ledger_.paces.end() ? Pace{} : found->second;
    if (selection.at_most) {
      const auto taken = pace.look_number == docket_.look_number ? pace.signals : 0;
      room.many = std::min(due, *selection.at_most > taken ? *selection.at_most - taken : 0);
      if (room.many < due) decision_.look_again = true;
    }
    if (selection.pause == Duration(0)) return room;
    if (pace.paused_until && *pace.paused_until > now_.monotonic) {
      decision_.wake_by(*pace.paused_until);
      return {0, Stand::kPause, pace.paused_until};
    }
    if (room.many > 1) return {1, Stand::kPause, {}};
    return room;
  }

  /// Takes all due signals of one session, from index `first`; returns the index after them.
  std::size_t choose_for_session(const std::vector<DueStep>& signals, std::size_t first) {
    std::size_t end = first;
    std::vector<DueStep> enforced;
    std::vector<DueStep> rehearsed;
    std::vector<DueStep> if_still;
    while (end < signals.size() && signals[end].session == signals[first].session) {
      const auto& due = signals[end++];
      (due.mode == Mode::kEnforce ? enforced : due.if_still ? if_still : rehearsed).push_back(due);
    }
    choose(std::move(enforced), enforced_);
    choose(std::move(rehearsed), rehearsed_);
    choose(std::move(if_still), if_still_);
    return end;
  }

  static void choose(std::vector<DueStep> due, std::vector<Choice>& choices) {
    if (due.empty()) return;
    // cases are in the order of the file, and max_element returns the first of equal ones
    const auto strongest = std::max_element(due.begin(), due.end(), [](const DueStep& a, const DueStep& b) {
      return std::pair(a.next.kind, a.drain != nullptr) < std::pair(b.next.kind, b.drain != nullptr);
    });
    Choice choice{*strongest, {}};
    due.erase(strongest);
    choice.superseded = std::move(due);
    choices.push_back(std::move(choice));
  }

  /// For a session whose rule has to wait, a drain's weaker step is taken, together with steps that are no
  /// stronger.
  static void leave_to_drain(std::vector<DueStep> due, std::vector<Choice>& choices) {
    std::optional<StepKind> strongest;
    for (const auto& step : due) {
      if (step.drain != nullptr) strongest = std::max(strongest.value_or(step.next.kind), step.next.kind);
    }
    if (!strongest) return;
    std::erase_if(due, [&](const DueStep& step) { return step.next.kind > *strongest; });
    choose(std::move(due), choices);
  }

  /// The order of turns: sessions whose orders had no effect come last, otherwise the longest due come first.
  /// Ties are broken by session, so that the choice among sessions that fell due together does not depend on
  /// the server's order of rows.
  std::tuple<int, ServerTime, SessionKey> turn_of(const DueStep& due) const {
    const auto* episode = current_episode_of(due);
    const int fruitless = episode == nullptr ? 0 : episode->fruitless;
    return {fruitless, due.next.due, session_of(due).key};
  }

  /// Whether the look showed the session past its limit, within the rule's hours, and not only that it would
  /// be if nothing changed.
  bool is_shown(const DueStep& due) const { return due.since <= look_.taken_at; }

  /// Leaves out a tenant's sessions if they are too many to be signalled on a look from before they fell due.
  /// Returns them.
  std::vector<Choice> leave_for_a_look(std::vector<Choice>& choices) {
    std::map<Tenant, std::size_t> unshown;
    for (const auto& choice : choices) {
      if (!is_shown(choice.chosen) && may_go(choice.chosen)) ++unshown[tenant_of(session_of(choice.chosen))];
    }
    const auto left = std::stable_partition(choices.begin(), choices.end(), [&](const Choice& choice) {
      return is_shown(choice.chosen) || unshown[tenant_of(session_of(choice.chosen))] <= kMostUnshown;
    });
    if (left != choices.end()) decision_.look_at_once = true;
    return take(choices, left);
  }

  void order(const Choice& choice, bool is_signal) {
    desk_.place(choice.chosen, choice.superseded, is_signal);
    choice.chosen.standing->set(Stand::kOrdered);
    for (const auto& due : choice.superseded) due.standing->set(Stand::kCarried);
  }

  /// A step for which a rule has to wait stays where it is; a drain's step is left to the drain.
  static void hold(const Choice& choice, Stand stand, std::optional<MonotonicTime> until = {}) {
    choice.chosen.standing->set(stand, {}, until);
    for (const auto& due : choice.superseded) {
      if (due.drain == nullptr) due.standing->set(stand, {}, until);
    }
  }

  /// Takes the steps of rules. Returns what is left to drains: their own steps, and sessions for which rules
  /// have to wait.
  std::vector<Choice> order_signals(Mode mode, std::vector<Choice>& choices, Breaker& breaker) {
    auto of_drains = take(choices, std::stable_partition(choices.begin(), choices.end(), [](const Choice& a) {
                            return a.chosen.drain == nullptr;
                          }));
    auto waiting = leave_for_a_look(choices);
    for (const auto& choice : waiting) hold(choice, Stand::kLook);
    std::sort(choices.begin(), choices.end(),
              [this](const Choice& a, const Choice& b) { return turn_of(a.chosen) < turn_of(b.chosen); });
    std::vector<Breaker::Due> due;
    due.reserve(choices.size());
    for (const auto& choice : choices) {
      due.push_back({tenant_of(session_of(choice.chosen)), is_shown(choice.chosen)});
    }
    const auto most = room_in_flight();
    const auto admission = breaker.admit(policy_.safety, due, docket_.client_backends, most, now_.monotonic);
    for (const auto& trip : admission.trips) {
      decision_.events.push_back(breaker_opened_event(trip, policy_.safety, docket_.client_backends, mode));
    }
    if (admission.wake) decision_.wake_by(*admission.wake);
    std::vector<bool> is_admitted(choices.size(), false);
    for (const auto i : admission.admitted) {
      is_admitted[i] = true;
      order(choices[i], mode == Mode::kEnforce);
    }
    for (std::size_t i = 0; i < choices.size(); ++i) {
      if (is_admitted[i]) continue;
      const bool is_let_through = may_go(choices[i].chosen);
      hold(choices[i], is_let_through ? Stand::kRoom : Stand::kBreaker,
           is_let_through ? std::nullopt : admission.wake);
      waiting.push_back(std::move(choices[i]));
    }
    for (auto& choice : waiting) leave_to_drain(std::move(choice.superseded), of_drains);
    return of_drains;
  }

  /// Without a breaker; only as many at a time as get an answer before their deadline.
  void order_unbounded(Mode mode, std::vector<Choice> choices) {
    std::sort(choices.begin(), choices.end(),
              [this](const Choice& a, const Choice& b) { return turn_of(a.chosen) < turn_of(b.chosen); });
    const auto many = std::min(choices.size(), room_in_flight());
    for (std::size_t i = 0; i < many; ++i) order(choices[i], mode == Mode::kEnforce);
  }

  [[nodiscard]] std::size_t room_in_flight() const {
    return kMostInFlight - std::min(kMostInFlight, ledger_.in_flight);
  }

  static std::vector<Choice> take(std::vector<Choice>& choices, std::vector<Choice>::iterator first) {
    std::vector<Choice> taken(std::make_move_iterator(first), std::make_move_iterator(choices.end()));
    choices.erase(first, choices.end());
    return taken;
  }

  const Policy& policy_;
  const Look& look_;
  const Docket& docket_;
  const std::vector<DrainClaims>& drains_;
  Ledger& ledger_;
  const Now now_;
  std::vector<Choice> enforced_;
  std::vector<Choice> rehearsed_;
  std::vector<Choice> if_still_;  ///< rehearsed steps after one that would have had its effect
  Decision decision_;
  OrderDesk desk_{policy_, look_, docket_, ledger_, now_, decision_};
};

}  // namespace

Decision decide(const Policy& policy, const Look& look, const Docket& docket,
                const std::vector<DrainClaims>& drains, Ledger& ledger, Now now) {
  return Decider(policy, look, docket, drains, ledger, now).run();
}

}  // namespace pgcurfew
