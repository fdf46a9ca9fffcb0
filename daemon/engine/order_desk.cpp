#include "engine/order_desk.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "engine/narrate.hpp"
#include "engine/repeats.hpp"
#include "engine/server_clock.hpp"

namespace pgcurfew {

namespace {

/// The wait from a step to the next one of its ladder.
std::optional<Duration> wait_after(const std::vector<Step>& ladder, std::size_t step) {
  return step + 1 < ladder.size() ? std::optional(ladder[step + 1].after) : std::nullopt;
}

/// Longer than any order is in flight: a rule with a pause orders nothing else until the reply comes.
constexpr Duration kWhileInFlight = std::chrono::seconds(10);

}  // namespace

void OrderDesk::place(const DueStep& due, const std::vector<DueStep>& superseded, bool is_signal) {
  const auto& session = session_of(due);
  auto order = describe(due);
  if (is_signal) order.action = order.step == StepKind::kCancel ? Action::kCancel : Action::kTerminate;
  order.guard = guard_for(due);
  order.guard.not_before = due.since;
  order.guard.not_after = now_.server + ServerClockEstimate::kTolerance;
  if (due.open_until) order.guard.not_after = std::min(order.guard.not_after, *due.open_until);
  order.episode = note_in_ledger(due, order, false).second.id;
  if (is_signal) ledger_.touched[session.key] = ledger_.looks_sent + 1;
  ++ledger_.in_flight;
  decision_.events.push_back(intent_event(order));
  for (const auto& other : superseded) {
    const auto& [key, episode] = note_in_ledger(other, order, true);
    decision_.events.push_back(superseded_event(order, key, episode));
  }
  decision_.orders.push_back(std::move(order));
}

Guard OrderDesk::guard_for(const DueStep& due) const {
  const auto& session = session_of(due);
  // a drain cancels any session that is there, and does not wait for a statement
  if (due.drain != nullptr) return make_guard(policy_, *due.drain->drain, session, {false, due.spared});
  const bool rests_on_state = due.next.kind == StepKind::kCancel || due.next.skipped_cancel;
  return make_guard(policy_, rule_of(due), session, {rests_on_state, due.spared});
}

/// The parts of an order that are only for reports.
Order OrderDesk::describe(const DueStep& due) {
  Order order;
  order.decision = fmt::format("{}-{}", ledger_.prefix, ++ledger_.decisions);
  order.policy = policy_.version;
  order.ordered_at = now_.monotonic;
  order.look_number = docket_.look_number;
  name_session(order, session_of(due));
  order.mode = due.mode;
  order.if_still = due.if_still;
  order.step = due.next.kind;
  order.step_number = due.next.number;
  if (due.drain == nullptr) {
    describe_rule(due, order);
  } else {
    const auto& drain = *due.drain->drain;
    order.drain = drain.name;
    order.step_count = drain.escalate.size();
    order.grace = drain.escalate[due.next.number].after;
    order.next_after = wait_after(drain.escalate, due.next.number);
    order.clock_start = due.since;
  }
  return order;
}

void OrderDesk::describe_rule(const DueStep& due, Order& order) {
  const auto& rule = rule_of(due);
  const auto& judgement = due.due_case->judgement;
  const auto& session = session_of(due);
  order.rule = rule.name;
  order.step_count = rule.escalate.size();
  order.clock = judgement.clock;
  order.is_waiters_age = judgement.is_waiters_age;
  order.clock_start = judgement.clock_start;
  order.limit = judgement.limit;
  order.age = now_.server - judgement.clock_start;
  order.grace = rule.escalate[due.next.number].after;
  order.next_after = wait_after(rule.escalate, due.next.number);

  order.repeat_key = repeat_key_of(rule, session);
  order.repeat = rule.repeat;
  auto& grounds = order.grounds;
  grounds = grounds_of(rule, session, look_, docket_, due.group_size);
  grounds.open_until = due.open_until;
  if (order.repeat_key) {
    grounds.repeated = ledger_.repeats.times(*order.repeat_key, *rule.repeat, now_.monotonic);
  }
  grounds.has_skipped_cancel = due.next.skipped_cancel;
}

Signalled OrderDesk::signalled_by_another(const EpisodeKey& key) const {
  for (auto it = ledger_.episodes.lower_bound({key.session, Claimant::of_rule(0)});
       it != ledger_.episodes.end() && it->first.session == key.session; ++it) {
    if (it->first != key && it->second.signalled == Signalled::kByUs) return Signalled::kByAnother;
  }
  return Signalled::kNo;
}

const Episodes::value_type& OrderDesk::note_in_ledger(const DueStep& due, const Order& order,
                                                      bool is_carried) {
  auto& entry = *ledger_.episodes.try_emplace({order.guard.session, due.claimant}).first;
  auto& [key, episode] = entry;
  if (episode.anchor != due.anchor) {
    const auto signalled = std::max(episode.signalled, signalled_by_another(key));
    tell_end(key, episode, end_after(signalled, End::kByItself), now_.server, decision_.events);
    episode = {};
  }
  episode.claimant = due.drain != nullptr ? due.drain->drain->name : rule_of(due).name;
  if (episode.id.empty()) {
    episode.id = order.decision;
    episode.signalled = Signalled::kNo;  // the end of what was logged before was logged
  }
  episode.anchor = due.anchor;
  episode.mode = order.mode;
  episode.policy = order.policy;
  episode.decision = order.decision;
  episode.database = order.database;
  episode.user = order.user;
  if (due.drain != nullptr) episode.query_start = session_of(due).query_start;
  episode.ordered_step = due.next.number;
  episode.steps = (due.drain != nullptr ? due.drain->drain->escalate : rule_of(due).escalate).size();
  episode.ordered_kind = due.next.kind;
  episode.in_flight = true;
  episode.is_carried = is_carried;
  episode.awaits_verification = false;
  episode.told_still_there = false;
  if (order.is_signal()) episode.look_needed = ledger_.looks_sent + 1;
  if (due.drain == nullptr && due.next.kind != StepKind::kAlert && !due.if_still)
    note_pace(due.claimant.rule);
  return entry;
}

void OrderDesk::note_pace(std::size_t rule) {
  const auto& selection = policy_.rules[rule].selection;
  if (!selection.at_most && selection.pause == Duration(0)) return;
  auto& pace = ledger_.paces[rule];
  if (pace.look_number != docket_.look_number)
    pace = {docket_.look_number, 0, selection.pause, pace.paused_until};
  ++pace.signals;
  if (selection.pause > Duration(0)) pace.paused_until = now_.monotonic + selection.pause + kWhileInFlight;
}

}  // namespace pgcurfew
