#include "engine/settle.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <unordered_set>
#include <utility>

#include "engine/look_plan.hpp"
#include "engine/narrate.hpp"
#include "engine/server_clock.hpp"

namespace pgcurfew {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// The wait after an order without effect; doubles with each in a row.
Duration pause_after(int fruitless, Duration first, Duration longest) {
  return std::min<Duration>(longest, first * (std::int64_t{1} << std::min(fruitless, 16)));
}

void take_step(Episode& episode) {
  episode.next_step = episode.ordered_step + 1;
  episode.taken = std::max(episode.taken.value_or(episode.ordered_kind), episode.ordered_kind);
}

void note_signal(Episode& episode, const Order& order) {
  if (!order.is_signal()) return;
  episode.signalled =
      std::max(episode.signalled, episode.is_carried ? Signalled::kByAnother : Signalled::kByUs);
}

void settle_episode(Episode& episode, const Order& order, const Reply& reply, const Ledger& ledger,
                    ServerTime replied_at, MonotonicTime now) {
  episode.in_flight = false;
  if (reply.kind != ReplyKind::kSignalled) ++episode.fruitless;
  switch (reply.kind) {
    case ReplyKind::kSignalled:
      episode.fruitless = 0;
      episode.spared = 0;
      episode.not_before.reset();
      take_step(episode);
      episode.stepped_at = replied_at;
      if (order.step != StepKind::kAlert && !episode.has_acted()) {
        episode.acted_at = replied_at;
        episode.acted_first = order.step;
      }
      episode.awaits_verification = order.is_signal();
      note_signal(episode, order);
      return;
    case ReplyKind::kEarly:
    case ReplyKind::kShifted:
    case ReplyKind::kNotSent:
      episode.look_needed = 0;
      episode.not_before = now + pause_after(episode.fruitless, milliseconds(1), seconds(1));
      return;
    case ReplyKind::kDenied:
      // the ledger remembers sessions that we may not signal, as long as that may hold; an alert is not a
      // signal
      if (order.step != StepKind::kAlert) return;
      break;
    case ReplyKind::kUnknown:
      episode.awaits_verification = order.is_signal();
      note_signal(episode, order);
      break;
    case ReplyKind::kMovedOn:
      // another claimant's guard says nothing about this one's
      if (!episode.is_carried) ++episode.spared;
      break;
    default:
      break;
  }
  episode.look_needed = ledger.looks_sent + 1;
  // if the session changed, the next look shows its state, and is used while it is fresh
  if (reply.kind != ReplyKind::kFailed && reply.kind != ReplyKind::kDenied) return;
  // a drain's window is short
  const auto longest = order.drain.empty() ? seconds(60) : seconds(5);
  episode.not_before = now + pause_after(episode.fruitless - 1, seconds(1), longest);
}

/// The pause counts from the action; an order without effect is not an action. One of unknown outcome can act
/// until its guard calls it stale.
void settle_pace(Pace& pace, const Order& order, const Reply& reply, MonotonicTime now) {
  const bool is_unknown = reply.kind == ReplyKind::kUnknown;
  const bool may_have_acted = reply.kind == ReplyKind::kSignalled || is_unknown;
  const Duration late = is_unknown ? ServerClockEstimate::kTolerance : Duration(0);
  if (pace.paused_until) pace.paused_until = may_have_acted ? now + late + pace.pause : now;
  // the count is for the actions of one look
  if (!may_have_acted && pace.look_number == order.look_number && pace.signals > 0) --pace.signals;
}

class LookSettler {
 public:
  LookSettler(const Policy& policy, const Look& look, const Docket& docket,
              const std::vector<DrainClaims>& drains, Ledger& ledger)
      : policy_(policy), look_(look), docket_(docket), drains_(drains), ledger_(ledger) {
    if (ledger_.episodes.empty() && ledger_.touched.empty() && ledger_.denied.empty()) return;
    for (std::size_t i = 0; i < look.sessions.size(); ++i) present_[look.sessions[i].key] = i;
  }

  std::vector<Event> run() {
    std::erase_if(ledger_.touched, [&](const auto& entry) { return entry.second <= look_.number; });
    std::erase_if(ledger_.denied, [&](const SessionKey& key) { return !present_.contains(key); });
    for (const auto& [key, episode] : ledger_.episodes) {
      if (episode.signalled == Signalled::kByUs) signalled_.insert(key.session);
    }
    for (auto it = ledger_.episodes.begin(); it != ledger_.episodes.end();) {
      it = settle(it->first, it->second) ? std::next(it) : ledger_.episodes.erase(it);
    }
    return std::move(events_);
  }

 private:
  /// Whether the episode continues.
  bool settle(const EpisodeKey& key, Episode& episode) {
    if (episode.in_flight || episode.look_needed > look_.number) return true;
    if (key.claimant.kind() == ClaimantKind::kDrain) return settle_drain(key, episode);
    const auto present = present_.find(key.session);
    const Session* session = present == present_.end() ? nullptr : &look_.sessions[present->second];
    const Case* a_case = session == nullptr ? nullptr : case_of(present->second, key.claimant.rule);
    const auto& rule = policy_.rules[key.claimant.rule];
    if (a_case == nullptr && session != nullptr && is_suspended(rule, *session, episode)) return true;
    if (a_case == nullptr && session != nullptr && is_under_way(*session, episode)) return true;
    const bool over = a_case == nullptr || a_case->judgement.anchor != episode.anchor;
    if (over) {
      if (episode.awaits_verification && !episode.is_carried) {
        events_.push_back(verified_event(key, episode, effect_of(session, a_case, episode)));
      }
      tell_end(key, episode, end_of(key, episode, session, a_case, rule));
      return false;
    }
    if (episode.awaits_verification) verify_standing(key, *session, episode);
    return true;
  }

  void tell_end(const EpisodeKey& key, Episode& episode, End end) {
    pgcurfew::tell_end(key, episode, end, look_.taken_at, events_);
  }

  /// How the episode ended: by a signal of ours if one may have ended it, otherwise `otherwise`.
  [[nodiscard]] End end_by(const EpisodeKey& key, const Episode& episode, End otherwise) const {
    const auto by_another = signalled_.contains(key.session) ? Signalled::kByAnother : Signalled::kNo;
    return end_after(std::max(episode.signalled, by_another), otherwise);
  }

  [[nodiscard]] End end_of_session(const EpisodeKey& key, const Episode& episode) const {
    return end_by(key, episode, look_.hidden > 0 ? End::kUnseen : End::kGone);
  }

  [[nodiscard]] End end_of(const EpisodeKey& key, const Episode& episode, const Session* session,
                           const Case* a_case, const Rule& rule) const {
    if (session == nullptr) return end_of_session(key, episode);
    const bool is_spared =
        a_case == nullptr && (immunity_of(policy_, *session) != Immunity::kNone ||
                              judge(rule, *session, docket_.steps).verdict == Verdict::kExempt);
    return is_spared ? End::kSpared : end_by(key, episode, End::kByItself);
  }

  /// A drain's claim lasts as long as the session: a session that was exempt for a while does not start the
  /// ladder again. Returns whether the episode continues.
  bool settle_drain(const EpisodeKey& key, Episode& episode) {
    const auto present = present_.find(key.session);
    const bool is_told = episode.awaits_verification && !episode.is_carried;
    if (present == present_.end()) {
      if (is_told) events_.push_back(verified_event(key, episode, effect_of(nullptr, nullptr, episode)));
      tell_end(key, episode, end_of_session(key, episode));
      return false;
    }
    const auto& session = look_.sessions[present->second];
    const bool has_query_ended = episode.ordered_kind == StepKind::kCancel &&
                                 (!can_be_cancelled(session) || session.query_start != episode.query_start);
    if (episode.awaits_verification && has_query_ended && !is_under_way(session, episode)) {
      if (is_told) events_.push_back(verified_event(key, episode, "query_ended"));
      episode.awaits_verification = false;
      // also one of unknown outcome
      take_step(episode);
    }
    const auto claims = std::find_if(drains_.begin(), drains_.end(), [&](const DrainClaims& entry) {
      return entry.drain->name == key.claimant.drain && entry.run == key.claimant.run;
    });
    if (claims == drains_.end()) {
      // its last signals may still take effect
      if (episode.awaits_verification && time_since_step(episode) < kPatience) return true;
      tell_end(key, episode, End::kDrainOver);
      return false;
    }
    // a session that a look shows as exempt did not change only to escape the guard
    if (claims->look_number == look_.number && !is_claimed(*claims, present->second)) episode.spared = 0;
    if (episode.awaits_verification) verify_standing(key, session, episode);
    return true;
  }

  static bool is_claimed(const DrainClaims& claims, std::size_t session) {
    return std::binary_search(claims.sessions.begin(), claims.sessions.end(), session);
  }

  /// Whether the only obstacle can go away while the anchor stays the same: then the ladder waits.
  bool is_suspended(const Rule& rule, const Session& session, const Episode& episode) const {
    const auto immunity = immunity_of(policy_, session);
    if (immunity != Immunity::kNone && !is_passing(immunity, policy_, session)) return false;
    if (look_.waits_failed && needs_waits(rule)) {
      // a look without lock waits shows no effect
      const auto anchor = anchor_of(rule, session);
      return anchor && anchor->time == episode.anchor;
    }
    const auto judgement = judge(rule, session);
    const bool can_come_back = immunity != Immunity::kNone || judgement.could_be_due.has_value();
    return can_come_back && judgement.verdict != Verdict::kNoMatch && judgement.anchor == episode.anchor;
  }

  /// Whether the signal may be taking effect just now: inside the server locks and the transaction go first,
  /// the state and the session a moment later, and a look in between would show one that has moved on by
  /// itself.
  bool is_under_way(const Session& session, const Episode& episode) const {
    if (!episode.awaits_verification || !episode.stepped_at) return false;
    if (episode.ordered_kind == StepKind::kCancel && !can_be_cancelled(session)) return false;
    const Duration since = look_.taken_at - docket_.steps.end_of(*episode.stepped_at, Duration(0));
    // by a clock that was set back, the signal is in the future
    return std::chrono::abs(since) < seconds(1);
  }

  /// The session has not changed since the signal was sent. For a signal of unknown outcome, for ever.
  [[nodiscard]] Duration time_since_step(const Episode& episode) const {
    if (!episode.stepped_at) return Duration::max();
    return look_.taken_at - docket_.steps.end_of(*episode.stepped_at, Duration(0));
  }

  void verify_standing(const EpisodeKey& key, const Session& session, Episode& episode) {
    if (!episode.stepped_at) return;
    const auto since = time_since_step(episode);
    if (since >= seconds(1) && !episode.told_still_there && !episode.is_carried) {
      episode.told_still_there = true;
      events_.push_back(verified_event(key, episode, "still_there"));
    }
    // query_start shows whether a session is still in the statement that a drain has cancelled
    const bool is_last = key.claimant.kind() == ClaimantKind::kDrain
                             ? episode.ordered_kind == StepKind::kTerminate
                             : episode.next_step >= episode.steps;
    if (is_last && since >= kPatience && !episode.is_closed) {
      episode.is_closed = true;
      // for a step that counted as done, the claimant whose order it was reports
      if (!episode.is_carried) events_.push_back(unkillable_event(key, session, episode));
      tell_end(key, episode, End::kUnkillable);
    }
  }

  const Case* case_of(std::size_t session, std::size_t rule) const {
    const auto found = std::lower_bound(docket_.cases.begin(), docket_.cases.end(), std::pair(session, rule),
                                        [](const Case& a, const std::pair<std::size_t, std::size_t>& b) {
                                          return std::pair(a.session, a.rule) < b;
                                        });
    if (found == docket_.cases.end() || found->session != session || found->rule != rule) return nullptr;
    return &*found;
  }

  std::string_view effect_of(const Session* session, const Case* a_case, const Episode& episode) const {
    if (session == nullptr) return look_.hidden > 0 ? "unseen" : "ended";
    const bool anchor_moved = a_case != nullptr;
    if (episode.ordered_kind == StepKind::kCancel && (anchor_moved || !can_be_cancelled(*session))) {
      return "query_ended";
    }
    return "moved_on";
  }

  const Policy& policy_;
  const Look& look_;
  const Docket& docket_;
  const std::vector<DrainClaims>& drains_;
  Ledger& ledger_;
  std::unordered_map<SessionKey, std::size_t> present_;
  std::unordered_set<SessionKey> signalled_;  ///< sessions to which a signal was sent, or may have been
  std::vector<Event> events_;
};

}  // namespace

void note_waiting(const Order& order, Ledger& ledger) {
  if (order.is_signal()) ledger.touched[order.guard.session] = std::numeric_limits<std::uint64_t>::max();
}

void note_sent(const Order& order, Ledger& ledger) {
  if (!order.is_signal()) return;
  const auto& session = order.guard.session;
  ledger.touched[session] = ledger.looks_sent + 1;
  for (auto it = ledger.episodes.lower_bound({session, Claimant::of_rule(0)});
       it != ledger.episodes.end() && it->first.session == session; ++it) {
    if (it->second.decision == order.decision) it->second.look_needed = ledger.looks_sent + 1;
  }
}

std::vector<Event> settle_reply(const Order& order, const Reply& reply, Ledger& ledger, ServerTime replied_at,
                                MonotonicTime now) {
  const auto& session = order.guard.session;
  bool is_first_action = reply.kind == ReplyKind::kSignalled && order.step != StepKind::kAlert;
  std::vector<Event> ends;
  for (auto it = ledger.episodes.lower_bound({session, Claimant::of_rule(0)});
       it != ledger.episodes.end() && it->first.session == session; ++it) {
    auto& episode = it->second;
    if (episode.in_flight && episode.decision == order.decision) {
      if (!episode.is_carried && episode.has_acted()) is_first_action = false;
      settle_episode(episode, order, reply, ledger, replied_at, now);
      if (reply.kind == ReplyKind::kDenied && order.step != StepKind::kAlert)
        tell_end(it->first, episode, End::kDenied, replied_at, ends);
      const auto pace = ledger.paces.find(it->first.claimant.rule);
      if (pace != ledger.paces.end() && order.step != StepKind::kAlert && !order.if_still)
        settle_pace(pace->second, order, reply, now);
    }
  }
  for (auto& [key, episode] : ledger.leaving) {
    if (episode.decision == order.decision) tell_end(key, episode, End::kRuleRemoved, replied_at, ends);
  }
  std::erase_if(ledger.leaving, [](const auto& entry) { return entry.second.id.empty(); });
  if (ledger.in_flight > 0) --ledger.in_flight;
  if (reply.kind == ReplyKind::kDenied) ledger.denied.insert(session);
  const bool may_have_left = reply.kind == ReplyKind::kSignalled || reply.kind == ReplyKind::kUnknown;
  if (order.step != StepKind::kAlert && order.drain.empty() && !order.if_still) {
    auto& breaker = order.mode == Mode::kEnforce ? ledger.breaker : ledger.rehearsed_breaker;
    breaker.answered({order.database, order.user}, may_have_left, now);
  }
  // no signal was sent; a rehearsal does not say whether another order did
  if (reply.is_to_be_tried_again() && order.is_signal()) ledger.touched.erase(session);
  std::vector<Event> events{outcome_event(order, reply)};
  if (is_first_action && order.repeat_key) {
    if (const auto times = ledger.repeats.note(*order.repeat_key, *order.repeat, now)) {
      events.push_back(repeat_event(order, *times));
    }
  }
  std::move(ends.begin(), ends.end(), std::back_inserter(events));
  return events;
}

std::vector<Event> end_all(Ledger& ledger, End end, std::optional<ServerTime> now) {
  std::vector<Event> events;
  for (auto& [key, episode] : ledger.episodes) {
    if (!episode.in_flight) tell_end(key, episode, end, now, events);
  }
  return events;
}

std::vector<Event> settle_look(const Policy& policy, const Look& look, const Docket& docket,
                               const std::vector<DrainClaims>& drains, Ledger& ledger) {
  return LookSettler(policy, look, docket, drains, ledger).run();
}

CarriedOver carry_over(const Ledger& ledger, const Policy& before, const Policy& after) {
  std::map<std::size_t, std::size_t> kept;
  for (std::size_t i = 0; i < before.rules.size(); ++i) {
    for (std::size_t j = 0; j < after.rules.size(); ++j) {
      const auto& a = before.rules[i];
      const auto& b = after.rules[j];
      if (a.name == b.name && a.fingerprint == b.fingerprint && a.mode == b.mode) kept[i] = j;
    }
  }
  CarriedOver carried{ledger, {}};
  auto& next = carried.ledger;
  next.episodes.clear();
  next.told_skips.clear();
  next.denied.clear();
  next.paces.clear();
  for (const auto& [rule, pace] : ledger.paces) {
    if (kept.contains(rule)) next.paces.emplace(kept.at(rule), pace);
  }
  next.repeats.keep_only([&](const std::string& name) {
    return std::any_of(kept.begin(), kept.end(),
                       [&](const auto& entry) { return before.rules[entry.first].name == name; });
  });
  for (auto [key, episode] : ledger.episodes) {
    const auto rule = kept.find(key.claimant.rule);
    if (key.claimant.kind() == ClaimantKind::kDrain) {
      next.episodes.emplace(key, episode);
    } else if (rule != kept.end()) {
      next.episodes.emplace(EpisodeKey{key.session, Claimant::of_rule(rule->second)}, episode);
    } else {
      if (episode.awaits_verification && !episode.is_carried)
        carried.events.push_back(verified_event(key, episode, "unseen"));
      if (episode.in_flight) {
        next.leaving.emplace_back(key, episode);
      } else {
        tell_end(key, episode, End::kRuleRemoved, std::nullopt, carried.events);
      }
    }
  }
  return carried;
}

}  // namespace pgcurfew
