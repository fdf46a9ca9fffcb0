#include "engine/decide.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "engine/blockers.hpp"
#include "engine/narrate.hpp"
#include "engine/order_desk.hpp"
#include "engine/repeats.hpp"
#include "engine/selection.hpp"

namespace pgcurfew {

namespace {

/// The step of a rule whose `repeat` says to terminate at once: the ladder's terminate, or one in place of
/// its last step.
void hasten(const Rule& rule, const Judgement& judgement, NextStep& next) {
  if (next.kind == StepKind::kTerminate) return;
  const auto terminate = std::find_if(rule.escalate.begin(), rule.escalate.end(),
                                      [](const Step& step) { return step.kind == StepKind::kTerminate; });
  next.number = terminate != rule.escalate.end() ? static_cast<std::size_t>(terminate - rule.escalate.begin())
                                                 : rule.escalate.size() - 1;
  next.kind = StepKind::kTerminate;
  next.due = judgement.due;
  next.skipped_cancel = false;
}

class Decider {
 public:
  Decider(const Policy& policy, const Look& look, const Docket& docket,
          const std::vector<DrainClaims>& drains, Ledger& ledger, Now now)
      : policy_(policy), look_(look), docket_(docket), drains_(drains), ledger_(ledger), now_(now) {}

  Decision run() {
    close_if_quiet(Mode::kEnforce, ledger_.breaker);
    close_if_quiet(Mode::kDryRun, ledger_.rehearsed_breaker);
    collect_due_steps();
    hold_back();
    collect_drains();
    for (std::size_t i = 0; i < signals_.size();) i = choose_for_session(i);
    auto drains = order_signals(Mode::kEnforce, enforced_, ledger_.breaker);
    auto rehearsed_drains = order_signals(Mode::kDryRun, rehearsed_, ledger_.rehearsed_breaker);
    for (const auto& alert : alerts_) {
      if (ledger_.in_flight >= kMostInFlight) break;
      desk_.place(alert, {}, false);
    }
    // a drain is meant to end everyone; behind a thousand of its signals no rule shall wait
    order_unbounded(Mode::kEnforce, std::move(drains));
    order_unbounded(Mode::kDryRun, std::move(rehearsed_drains));
    order_unbounded(Mode::kDryRun, std::move(if_still_));
    return std::move(decision_);
  }

 private:
  /// The strongest due step of a session in one mode, and those that it carries along.
  struct Choice {
    DueStep chosen;
    std::vector<DueStep> superseded;
  };

  const Session& session_of(const Case& a_case) const { return look_.sessions[a_case.session]; }
  const Session& session_of(const DueStep& due) const { return look_.sessions[due.session]; }
  void tell(Event event) { decision_.events.push_back(std::move(event)); }
  void wake_by(MonotonicTime time) { decision_.wake = std::min(decision_.wake.value_or(time), time); }
  void due_by(ServerTime time) { decision_.next_due = std::min(decision_.next_due.value_or(time), time); }

  const Episode* find_episode(const Session& session, const Claimant& claimant) const {
    const auto found = ledger_.episodes.find({session.key, claimant});
    return found == ledger_.episodes.end() ? nullptr : &found->second;
  }

  const Episode* episode_of(const Case& a_case) const {
    return find_episode(session_of(a_case), Claimant::of_rule(a_case.rule));
  }

  const Episode* current_episode_of(const DueStep& due) const {
    const auto* episode = find_episode(session_of(due), due.claimant);
    return episode != nullptr && episode->anchor == due.anchor ? episode : nullptr;
  }

  /// Whether the bounds would let the session go now.
  bool may_go(const DueStep& due) const {
    const auto& breaker = due.mode == Mode::kEnforce ? ledger_.breaker : ledger_.rehearsed_breaker;
    return breaker.may_go(policy_.safety, tenant_of(session_of(due)), docket_.client_backends,
                          now_.monotonic);
  }

  static Tenant tenant_of(const Session& session) { return {session.database, session.user}; }

  void close_if_quiet(Mode mode, Breaker& breaker) {
    for (const auto& tenant : breaker.close_if_quiet(now_.monotonic))
      tell(breaker_closed_event(tenant, mode));
  }

  void collect_due_steps() {
    chosen_ = chosen_cases(policy_, look_, docket_, ledger_, now_.server);
    std::map<EpisodeKey, ServerTime> told_skips;
    for (std::size_t i = 0; i < docket_.cases.size(); ++i) {
      const auto& a_case = docket_.cases[i];
      const EpisodeKey key{session_of(a_case).key, Claimant::of_rule(a_case.rule)};
      const auto told = ledger_.told_skips.find(key);
      const bool is_told = told != ledger_.told_skips.end() && told->second == a_case.judgement.anchor;
      if (is_told) told_skips.insert(*told);
      if (!chosen_.is_chosen[i] || a_case.is_held) continue;
      if (!is_told && is_cancel_skipped(a_case)) {
        told_skips[key] = a_case.judgement.anchor;
        tell(skipped_event(policy_.rules[a_case.rule], policy_.version, session_of(a_case)));
      }
      const auto due = due_step_of(a_case);
      if (!due) continue;
      if (due->next.kind == StepKind::kAlert) {
        alerts_.push_back(*due);
      } else if (may_be_signalled(session_of(a_case).key)) {
        signals_.push_back(*due);
      }
    }
    ledger_.told_skips = std::move(told_skips);
  }

  /// Whether the rule would have cancelled by now, had that any effect on the session.
  bool is_cancel_skipped(const Case& a_case) {
    const auto& session = session_of(a_case);
    const auto* episode = episode_of(a_case);
    if (episode != nullptr && (episode->in_flight || episode->is_closed)) return false;
    if (episode != nullptr && episode->anchor != a_case.judgement.anchor) episode = nullptr;
    const auto& rule = policy_.rules[a_case.rule];
    const auto at = skipped_cancel_of(rule, session, a_case.judgement, episode, docket_.steps);
    return at && *at <= now_.server && is_open(a_case.rule);
  }

  /// Keeps of each rule that bounds itself only those that it may go for now, the longest due first.
  void hold_back() {
    std::vector<bool> is_held(signals_.size(), false);
    for (std::size_t r = 0; r < policy_.rules.size(); ++r) {
      const auto& selection = policy_.rules[r].selection;
      if (!selection.at_most && selection.pause == Duration(0)) continue;
      std::vector<std::size_t> own;
      for (std::size_t i = 0; i < signals_.size(); ++i) {
        if (signals_[i].claimant.rule == r && !signals_[i].if_still) own.push_back(i);
      }
      // one that the bounds hold back takes no other's place; where places are left it is the breaker that
      // says so
      const auto turn = [this](std::size_t i) {
        return std::pair(!may_go(signals_[i]), turn_of(signals_[i]));
      };
      std::sort(own.begin(), own.end(), [&](std::size_t a, std::size_t b) { return turn(a) < turn(b); });
      for (std::size_t i = room_of(r, selection, own.size()); i < own.size(); ++i) is_held[own[i]] = true;
    }
    std::vector<DueStep> kept;
    for (std::size_t i = 0; i < signals_.size(); ++i) {
      if (!is_held[i]) kept.push_back(signals_[i]);
    }
    signals_ = std::move(kept);
  }

  /// How many of the `due` steps a rule may take now.
  std::size_t room_of(std::size_t rule, const Selection& selection, std::size_t due) {
    if (due == 0) return 0;
    const auto found = ledger_.paces.find(rule);
    const auto pace = found == ledger_.paces.end() ? Pace{} : found->second;
    auto room = due;
    if (selection.at_most) {
      const auto taken = pace.look_number == docket_.look_number ? pace.signals : 0;
      room = std::min(room, *selection.at_most > taken ? *selection.at_most - taken : 0);
      if (room < due) decision_.look_again = true;
    }
    if (selection.pause == Duration(0)) return room;
    if (!pace.paused_until || *pace.paused_until <= now_.monotonic) return std::min<std::size_t>(room, 1);
    wake_by(*pace.paused_until);
    return 0;
  }

  /// Adds the steps that drains want, each behind those of rules on the same session.
  void collect_drains() {
    const auto of_rules = signals_.size();
    for (const auto& claims : drains_) {
      if (claims.look_number != docket_.look_number || !claims.since) continue;
      const auto claimant = Claimant::of_drain(claims.drain->name, claims.run);
      for (const auto& claim : claims.sessions) {
        auto due = due_step_of(claims, claim, claimant);
        if (due && may_be_signalled(session_of(*due).key)) signals_.push_back(std::move(*due));
      }
    }
    if (signals_.size() == of_rules) return;
    std::stable_sort(signals_.begin(), signals_.end(),
                     [](const DueStep& a, const DueStep& b) { return a.session < b.session; });
  }

  std::optional<DueStep> due_step_of(const DrainClaims& claims, const DrainClaim& claim,
                                     const Claimant& claimant) {
    const auto& session = look_.sessions[claim.session];
    const auto* episode = find_episode(session, claimant);
    if (episode != nullptr && !is_free(*episode)) return std::nullopt;
    const auto next = next_step_of(claims, claim, session, episode, now_.server);
    if (!next) return std::nullopt;
    if (next->due > now_.server) {
      due_by(next->due);
      return std::nullopt;
    }
    DueStep due;
    due.claimant = claimant;
    due.session = claim.session;
    due.anchor = session.key.backend_start;
    due.drain = &claims;
    due.next = *next;
    due.mode = claims.drain->mode;
    due.since = next->due;
    note_episode(episode, due);
    return due;
  }

  static void note_episode(const Episode* episode, DueStep& due) {
    if (episode == nullptr) return;
    due.spared = episode->spared;
    due.if_still = due.mode == Mode::kDryRun && episode->has_acted();
  }

  /// Whether a reply to the order before, or a look at what came of it, has yet to come.
  bool is_awaited(const Episode& episode) const {
    return episode.in_flight || episode.look_needed > docket_.look_number;
  }

  /// Whether something may be ordered for an episode now.
  bool is_free(const Episode& episode) {
    if (is_awaited(episode) || episode.is_closed) return false;
    if (!episode.not_before || *episode.not_before <= now_.monotonic) return true;
    wake_by(*episode.not_before);
    return false;
  }

  /// Takes all due signals of one session, from index `first`; gives the index behind them.
  std::size_t choose_for_session(std::size_t first) {
    std::size_t end = first;
    std::vector<DueStep> enforced;
    std::vector<DueStep> rehearsed;
    std::vector<DueStep> if_still;
    while (end < signals_.size() && signals_[end].session == signals_[first].session) {
      const auto& due = signals_[end++];
      (due.mode == Mode::kEnforce ? enforced : due.if_still ? if_still : rehearsed).push_back(due);
    }
    choose(std::move(enforced), enforced_);
    choose(std::move(rehearsed), rehearsed_);
    choose(std::move(if_still), if_still_);
    return end;
  }

  bool may_be_signalled(const SessionKey& session) const {
    if (ledger_.denied.contains(session)) return false;
    const auto touched = ledger_.touched.find(session);
    return touched == ledger_.touched.end() || touched->second <= docket_.look_number;
  }

  std::optional<DueStep> due_step_of(const Case& a_case) {
    const auto& rule = policy_.rules[a_case.rule];
    const auto& session = session_of(a_case);
    const auto* episode = episode_of(a_case);
    if (episode != nullptr && is_awaited(*episode)) return std::nullopt;
    // over, but not settled: the look that shows it has overtaken the reply
    if (episode != nullptr && episode->anchor != a_case.judgement.anchor) episode = nullptr;
    if (episode != nullptr && !is_free(*episode)) return std::nullopt;
    auto next = next_step_of(rule, session, a_case.judgement, episode, docket_.steps);
    if (!next) return std::nullopt;
    if (rule.repeat && !apply_repeat(rule, session, a_case.judgement, episode, *next)) return std::nullopt;
    if (next->due > now_.server) {
      due_by(next->due);
      return std::nullopt;
    }
    if (!is_open(a_case.rule)) return std::nullopt;
    DueStep due;
    due.claimant = Claimant::of_rule(a_case.rule);
    due.session = a_case.session;
    due.anchor = a_case.judgement.anchor;
    due.due_case = &a_case;
    due.next = *next;
    due.mode = rule.mode;
    due.since = next->due;
    if (const auto open = open_stretch_of(a_case.rule)) {
      due.since = std::max(due.since, open->start);
      due.open_until = open->end;
    }
    if (rule.mode == Mode::kEnforce && next->kind != StepKind::kAlert && has_to_wait_for_elder(due.since)) {
      return std::nullopt;
    }
    if (needs_fresh_look(rule) && now_.server - look_.taken_at - look_.under_way > kFreshLook) {
      decision_.look_now = true;
      return std::nullopt;
    }
    note_episode(episode, due);
    due.group_size = chosen_.group_size[static_cast<std::size_t>(&a_case - docket_.cases.data())];
    return due;
  }

  /// Whether the older pgcurfew has not had its time, or no look has shown what it did with it.
  bool has_to_wait_for_elder(ServerTime since) {
    if (!look_.elder) return false;
    if (since > now_.server - kAfterElder) {
      due_by(since + kAfterElder);
    } else if (since > look_.taken_at - kAfterElder) {
      decision_.look_at_once = true;
    } else {
      return false;
    }
    return true;
  }

  /// False if the rule pauses for such sessions.
  bool apply_repeat(const Rule& rule, const Session& session, const Judgement& judgement,
                    const Episode* episode, NextStep& next) {
    const auto key = repeat_key_of(rule, session);
    if (!key) return true;
    if (const auto until = ledger_.repeats.paused_until(*key, now_.monotonic)) {
      wake_by(*until);
      return false;
    }
    const bool has_begun = episode != nullptr && episode->has_acted();
    if (!has_begun && rule.repeat->then == RepeatAction::kTerminate &&
        ledger_.repeats.is_reached(*key, *rule.repeat, now_.monotonic)) {
      hasten(rule, judgement, next);
    }
    return true;
  }

  /// Whether a rule is within its hours; when they begin is the next moment at which something falls due
  /// otherwise.
  bool is_open(std::size_t rule) {
    const auto& hours = policy_.rules[rule].hours;
    if (hours.is_empty()) return true;
    auto found = open_.find(rule);
    if (found == open_.end()) found = open_.emplace(rule, stretch_of(hours)).first;
    const auto& open = found->second;
    if (!open) return false;
    if (open->start <= now_.server) return true;
    due_by(open->start);
    return false;
  }

  /// Reckoned from before the look and an elder's time, for it counts whether they were within it.
  std::optional<Interval> stretch_of(const Hours& hours) const {
    const auto open = hours.next_open(std::min(look_.taken_at, now_.server) - kAfterElder);
    return open && open->end <= now_.server ? hours.next_open(now_.server) : open;
  }

  /// The stretch of its hours that a rule is within; nothing where it has none.
  std::optional<Interval> open_stretch_of(std::size_t rule) const {
    const auto found = open_.find(rule);
    return found == open_.end() ? std::nullopt : found->second;
  }

  static void choose(std::vector<DueStep> due, std::vector<Choice>& choices) {
    if (due.empty()) return;
    // cases stand in the order of the file, and max_element keeps the first of equals
    const auto strongest = std::max_element(due.begin(), due.end(), [](const DueStep& a, const DueStep& b) {
      return std::pair(a.next.kind, a.drain != nullptr) < std::pair(b.next.kind, b.drain != nullptr);
    });
    Choice choice{*strongest, {}};
    due.erase(strongest);
    choice.superseded = std::move(due);
    choices.push_back(std::move(choice));
  }

  /// Of a session whose rule has to wait, a drain's weaker step is taken, and what is no stronger with it.
  static void leave_to_drain(std::vector<DueStep> due, std::vector<Choice>& choices) {
    std::optional<StepKind> strongest;
    for (const auto& step : due) {
      if (step.drain != nullptr) strongest = std::max(strongest.value_or(step.next.kind), step.next.kind);
    }
    if (!strongest) return;
    std::erase_if(due, [&](const DueStep& step) { return step.next.kind > *strongest; });
    choose(std::move(due), choices);
  }

  /// Whose turn it is: whose orders came to nothing comes behind the others, and among equals who has been
  /// due the longest. By session at last: which of those that fell due together a bound lets pass must not
  /// rest on how the server happens to list them.
  std::tuple<int, ServerTime, SessionKey> turn_of(const DueStep& due) const {
    const auto* episode = current_episode_of(due);
    const int fruitless = episode == nullptr ? 0 : episode->fruitless;
    return {fruitless, due.next.due, session_of(due).key};
  }

  /// Whether the look showed the session past its limit, in the rule's hours, and not only that it would be
  /// if nothing moved.
  bool is_shown(const DueStep& due) const { return due.since <= look_.taken_at; }

  /// Leaves out those of a tenant who are too many to be condemned by a look from before they fell due.
  /// Gives them.
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

  /// Those of rules. Gives what drains are to do: their own, and what rules have to wait with.
  std::vector<Choice> order_signals(Mode mode, std::vector<Choice>& choices, Breaker& breaker) {
    auto of_drains = take(choices, std::stable_partition(choices.begin(), choices.end(), [](const Choice& a) {
                            return a.chosen.drain == nullptr;
                          }));
    auto waiting = leave_for_a_look(choices);
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
      tell(breaker_opened_event(trip, policy_.safety, docket_.client_backends, mode));
    }
    if (admission.wake) wake_by(*admission.wake);
    std::vector<bool> is_admitted(choices.size(), false);
    for (const auto i : admission.admitted) {
      is_admitted[i] = true;
      desk_.place(choices[i].chosen, choices[i].superseded, mode == Mode::kEnforce);
    }
    for (std::size_t i = 0; i < choices.size(); ++i) {
      if (!is_admitted[i]) waiting.push_back(std::move(choices[i]));
    }
    for (auto& choice : waiting) leave_to_drain(std::move(choice.superseded), of_drains);
    return of_drains;
  }

  /// Without a breaker; only so many at a time that each has its answer before its deadline.
  void order_unbounded(Mode mode, std::vector<Choice> choices) {
    std::sort(choices.begin(), choices.end(),
              [this](const Choice& a, const Choice& b) { return turn_of(a.chosen) < turn_of(b.chosen); });
    const auto many = std::min(choices.size(), room_in_flight());
    for (std::size_t i = 0; i < many; ++i)
      desk_.place(choices[i].chosen, choices[i].superseded, mode == Mode::kEnforce);
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
  Chosen chosen_;
  std::vector<DueStep> signals_;                         ///< in the order of the docket
  std::map<std::size_t, std::optional<Interval>> open_;  ///< of rules with hours: when they are open next
  std::vector<Choice> enforced_;
  std::vector<Choice> rehearsed_;
  std::vector<Choice> if_still_;  ///< rehearsed, after a step that would have had its effect
  std::vector<DueStep> alerts_;
  Decision decision_;
  OrderDesk desk_{policy_, look_, docket_, ledger_, now_, decision_};
};

}  // namespace

bool needs_fresh_look(const Rule& rule) {
  return rule.selection.keep || rule.when.connections_used || needs_waits(rule);
}

Decision decide(const Policy& policy, const Look& look, const Docket& docket,
                const std::vector<DrainClaims>& drains, Ledger& ledger, Now now) {
  return Decider(policy, look, docket, drains, ledger, now).run();
}

}  // namespace pgcurfew
