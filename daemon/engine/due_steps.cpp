#include "engine/due_steps.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/look_plan.hpp"
#include "engine/narrate.hpp"
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

class Collector {
 public:
  Collector(const Policy& policy, const Look& look, const Docket& docket,
            const std::vector<DrainClaims>& drains, Ledger& ledger, Now now, Decision& decision)
      : policy_(policy),
        look_(look),
        docket_(docket),
        drains_(drains),
        ledger_(ledger),
        now_(now),
        decision_(decision) {}

  DueSteps run() {
    collect_rules();
    collect_drains();
    return std::move(due_);
  }

 private:
  const Session& session_of(const Case& a_case) const { return look_.sessions[a_case.session]; }
  const Session& session_of(const DueStep& due) const { return look_.sessions[due.session]; }

  const Episode* episode_of(const Case& a_case) const {
    return ledger_.find({session_of(a_case).key, Claimant::of_rule(a_case.rule)});
  }

  void collect_rules() {
    chosen_ = chosen_cases(policy_, look_, docket_, ledger_, now_.server);
    std::map<EpisodeKey, ServerTime> told_skips;
    decision_.standings.cases.resize(docket_.cases.size());
    for (std::size_t i = 0; i < docket_.cases.size(); ++i) {
      const auto& a_case = docket_.cases[i];
      const EpisodeKey key{session_of(a_case).key, Claimant::of_rule(a_case.rule)};
      const auto told = ledger_.told_skips.find(key);
      const bool is_told = told != ledger_.told_skips.end() && told->second == a_case.judgement.anchor;
      if (is_told) told_skips.insert(*told);
      auto& standing = decision_.standings.cases[i];
      if (!chosen_.is_chosen[i] || a_case.is_held) {
        standing.set(a_case.is_held ? Stand::kWhen : Stand::kKeep);
        continue;
      }
      if (!is_told && is_cancel_skipped(a_case)) {
        told_skips[key] = a_case.judgement.anchor;
        decision_.events.push_back(
            skipped_event(policy_.rules[a_case.rule], policy_.version, session_of(a_case)));
      }
      const auto due = due_step_of(a_case, standing);
      if (!due) continue;
      if (due->next.kind == StepKind::kAlert) {
        due_.alerts.push_back(*due);
      } else if (may_be_signalled(session_of(a_case).key, standing)) {
        due_.signals.push_back(*due);
      }
    }
    ledger_.told_skips = std::move(told_skips);
  }

  /// Whether the rule would have cancelled by now if a cancel had an effect on the session.
  bool is_cancel_skipped(const Case& a_case) {
    const auto& session = session_of(a_case);
    const auto* episode = episode_of(a_case);
    if (episode != nullptr && (episode->in_flight || episode->is_closed)) return false;
    if (episode != nullptr && episode->anchor != a_case.judgement.anchor) episode = nullptr;
    const auto& rule = policy_.rules[a_case.rule];
    const auto at = skipped_cancel_of(rule, session, a_case.judgement, episode, docket_.steps);
    return at && *at <= now_.server && is_open(a_case.rule);
  }

  /// Adds the drains' steps, each after those of rules on the same session.
  void collect_drains() {
    const auto of_rules = due_.signals.size();
    decision_.standings.drains.resize(drains_.size());
    for (std::size_t d = 0; d < drains_.size(); ++d) {
      const auto& claims = drains_[d];
      auto& standings = decision_.standings.drains[d];
      standings.resize(claims.sessions.size());
      if (claims.look_number != docket_.look_number) continue;
      const auto claimant = Claimant::of_drain(claims.drain->name, claims.run);
      for (std::size_t i = 0; i < claims.sessions.size(); ++i) {
        if (!claims.since) {
          standings[i].set(Stand::kGates);
          continue;
        }
        auto due = due_step_of(claims, claims.sessions[i], claimant, standings[i]);
        if (due && may_be_signalled(session_of(*due).key, standings[i]))
          due_.signals.push_back(std::move(*due));
      }
    }
    if (due_.signals.size() == of_rules) return;
    std::stable_sort(due_.signals.begin(), due_.signals.end(),
                     [](const DueStep& a, const DueStep& b) { return a.session < b.session; });
  }

  std::optional<DueStep> due_step_of(const DrainClaims& claims, std::size_t index, const Claimant& claimant,
                                     Standing& standing) {
    const auto& session = look_.sessions[index];
    const auto* episode = ledger_.find({session.key, claimant});
    if (episode != nullptr && !is_free(*episode, standing)) return std::nullopt;
    standing.next = next_step_of(claims, session, episode, now_.server);
    if (!standing.next) {
      const auto& last = claims.drain->escalate.back();
      const bool is_at_end = episode != nullptr && episode->taken && *episode->taken >= last.kind;
      standing.set(is_at_end ? Stand::kAtEnd : Stand::kNoEffect);
      return std::nullopt;
    }
    const auto* next = &*standing.next;
    if (is_to_come(*next, episode, standing)) return std::nullopt;
    standing.set(Stand::kRoom);
    DueStep due;
    due.standing = &standing;
    due.claimant = claimant;
    due.session = index;
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

  /// Whether the reply to the order before, or a look that shows its effect, is still missing.
  bool is_awaited(const Episode& episode) const {
    return episode.in_flight || episode.look_needed > docket_.look_number;
  }

  /// Whether something may be ordered for an episode now.
  bool is_free(const Episode& episode, Standing& standing) {
    if (is_awaited(episode)) {
      standing.set(episode.in_flight ? Stand::kInFlight : Stand::kUnverified);
    } else if (episode.is_closed) {
      standing.set(Stand::kUnkillable);
    } else if (episode.not_before && *episode.not_before > now_.monotonic) {
      decision_.wake_by(*episode.not_before);
      standing.set(Stand::kFruitless, {}, episode.not_before);
    } else {
      return true;
    }
    return false;
  }

  /// Whether a step falls due later.
  bool is_to_come(const NextStep& next, const Episode* episode, Standing& standing) {
    if (next.due <= now_.server) return false;
    decision_.due_by(next.due);
    standing.set(episode != nullptr && episode->taken ? Stand::kGrace : Stand::kLimit, next.due);
    return true;
  }

  bool may_be_signalled(const SessionKey& session, Standing& standing) const {
    const auto touched = ledger_.touched.find(session);
    if (ledger_.denied.contains(session)) {
      standing.set(Stand::kDenied);
    } else if (touched != ledger_.touched.end() && touched->second > docket_.look_number) {
      standing.set(Stand::kTouched);
    } else {
      return true;
    }
    return false;
  }

  std::optional<DueStep> due_step_of(const Case& a_case, Standing& standing) {
    const auto& rule = policy_.rules[a_case.rule];
    const auto& session = session_of(a_case);
    const auto* episode = episode_of(a_case);
    // over, but not settled: the look came before the reply
    const bool is_over = episode != nullptr && episode->anchor != a_case.judgement.anchor;
    if (is_over && !is_awaited(*episode)) episode = nullptr;
    if (episode != nullptr && !is_free(*episode, standing)) return std::nullopt;
    standing.next = next_step_of(rule, session, a_case.judgement, episode, docket_.steps);
    if (!standing.next) {
      const bool is_at_end = episode != nullptr && episode->next_step >= rule.escalate.size();
      standing.set(is_at_end ? Stand::kAtEnd : Stand::kNoEffect);
      return std::nullopt;
    }
    auto* next = &*standing.next;
    if (rule.repeat && !apply_repeat(rule, session, a_case.judgement, episode, standing)) return std::nullopt;
    if (is_to_come(*next, episode, standing)) return std::nullopt;
    if (!is_open(a_case.rule)) {
      const auto open = open_stretch_of(a_case.rule);
      standing.set(Stand::kHours, open ? std::optional(open->start) : std::nullopt);
      return std::nullopt;
    }
    DueStep due;
    due.standing = &standing;
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
    if (rule.mode == Mode::kEnforce && next->kind != StepKind::kAlert &&
        has_to_wait_for_elder(due.since, standing)) {
      return std::nullopt;
    }
    if (needs_fresh_look(rule) && now_.server - look_.taken_at - look_.under_way > kFreshLook) {
      decision_.look_now = true;
      standing.set(Stand::kLook);
      return std::nullopt;
    }
    standing.set(Stand::kRoom);
    note_episode(episode, due);
    due.group_size = chosen_.group_size[static_cast<std::size_t>(&a_case - docket_.cases.data())];
    return due;
  }

  /// Whether the older pgcurfew's time is not over, or no look has shown what it did.
  bool has_to_wait_for_elder(ServerTime since, Standing& standing) {
    if (!look_.elder) return false;
    if (since > now_.server - kAfterElder) {
      decision_.due_by(since + kAfterElder);
      standing.set(Stand::kElder, since + kAfterElder);
    } else if (since > look_.taken_at - kAfterElder) {
      decision_.look_at_once = true;
      standing.set(Stand::kElder);
    } else {
      return false;
    }
    return true;
  }

  /// False if the rule pauses for such sessions.
  bool apply_repeat(const Rule& rule, const Session& session, const Judgement& judgement,
                    const Episode* episode, Standing& standing) {
    const auto key = repeat_key_of(rule, session);
    if (!key) return true;
    if (const auto until = ledger_.repeats.paused_until(*key, now_.monotonic)) {
      decision_.wake_by(*until);
      standing.set(Stand::kRepeat, {}, until);
      return false;
    }
    const bool has_begun = episode != nullptr && episode->has_acted();
    if (!has_begun && rule.repeat->then == RepeatAction::kTerminate &&
        ledger_.repeats.is_reached(*key, *rule.repeat, now_.monotonic)) {
      hasten(rule, judgement, *standing.next);
    }
    return true;
  }

  /// Whether a rule is within its hours; if not, their beginning is the next moment at which something falls
  /// due.
  bool is_open(std::size_t rule) {
    const auto& hours = policy_.rules[rule].hours;
    if (hours.is_empty()) return true;
    auto found = open_.find(rule);
    if (found == open_.end()) found = open_.emplace(rule, stretch_of(hours)).first;
    const auto& open = found->second;
    if (!open) return false;
    if (open->start <= now_.server) return true;
    decision_.due_by(open->start);
    return false;
  }

  /// Computed from before the look and an elder's time, because these must be within the hours too.
  std::optional<Interval> stretch_of(const Hours& hours) const {
    const auto open = hours.next_open(std::min(look_.taken_at, now_.server) - kAfterElder);
    return open && open->end <= now_.server ? hours.next_open(now_.server) : open;
  }

  /// The present interval of a rule's hours; empty if the rule has none.
  std::optional<Interval> open_stretch_of(std::size_t rule) const {
    const auto found = open_.find(rule);
    return found == open_.end() ? std::nullopt : found->second;
  }

  const Policy& policy_;
  const Look& look_;
  const Docket& docket_;
  const std::vector<DrainClaims>& drains_;
  Ledger& ledger_;
  const Now now_;
  Decision& decision_;
  Chosen chosen_;
  std::map<std::size_t, std::optional<Interval>> open_;  ///< for rules with hours: when they are open next
  DueSteps due_;
};

}  // namespace

bool needs_fresh_look(const Rule& rule) {
  return rule.selection.keep || rule.when.connections_used || needs_waits(rule);
}

DueSteps due_steps(const Policy& policy, const Look& look, const Docket& docket,
                   const std::vector<DrainClaims>& drains, Ledger& ledger, Now now, Decision& decision) {
  return Collector(policy, look, docket, drains, ledger, now, decision).run();
}

}  // namespace pgcurfew
