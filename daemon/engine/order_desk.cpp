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

/// Longer than any order is in flight: until its reply comes, nothing else of a rule with a pause is ordered.
constexpr Duration kWhileInFlight = std::chrono::seconds(10);

}  // namespace

void OrderDesk::place(const DueStep& due, const std::vector<DueStep>& superseded, bool is_signal) {
  const auto& rule = rule_of(due);
  const auto& session = session_of(due);
  auto order = describe(due);
  if (is_signal) order.action = order.step == StepKind::kCancel ? Action::kCancel : Action::kTerminate;
  const bool rests_on_state = due.next.kind == StepKind::kCancel || due.next.skipped_cancel;
  order.guard = make_guard(policy_, rule, session, {rests_on_state, due.spared});
  order.guard.not_before = due.since;
  order.guard.not_after = now_.server + ServerClockEstimate::kTolerance;
  if (due.open_until) order.guard.not_after = std::min(order.guard.not_after, *due.open_until);
  note_in_ledger(due, order, false);
  if (is_signal) ledger_.touched[session.key] = ledger_.looks_sent + 1;
  ++ledger_.in_flight;
  decision_.events.push_back(intent_event(order));
  for (const auto& other : superseded) {
    note_in_ledger(other, order, true);
    decision_.events.push_back(superseded_event(order, rule_of(other).name, other.next.kind));
  }
  decision_.orders.push_back(std::move(order));
}

/// All of an order that is for people.
Order OrderDesk::describe(const DueStep& due) {
  const auto& rule = rule_of(due);
  const auto& judgement = due.due_case->judgement;
  const auto& session = session_of(due);
  Order order;
  order.decision = fmt::format("{}-{}", ledger_.prefix, ++ledger_.decisions);
  order.policy = policy_.version;
  order.ordered_at = now_.monotonic;
  order.look_number = docket_.look_number;
  order.rule = rule.name;
  name_session(order, session);
  order.mode = rule.mode;
  order.step = due.next.kind;
  order.step_number = due.next.number;
  order.step_count = rule.escalate.size();
  order.clock = judgement.clock;
  order.is_waiters_age = judgement.is_waiters_age;
  order.clock_start = judgement.clock_start;
  order.limit = judgement.limit;
  order.age = now_.server - judgement.clock_start;
  order.grace = rule.escalate[due.next.number].after;

  order.repeat_key = repeat_key_of(rule, session);
  order.repeat = rule.repeat;
  auto& grounds = order.grounds;
  grounds = grounds_of(rule, session, look_, docket_, due.group_size);
  grounds.open_until = due.open_until;
  if (order.repeat_key) {
    grounds.repeated = ledger_.repeats.times(*order.repeat_key, *rule.repeat, now_.monotonic);
  }
  grounds.has_skipped_cancel = due.next.skipped_cancel;
  return order;
}

void OrderDesk::note_in_ledger(const DueStep& due, const Order& order, bool is_carried) {
  auto& episode = ledger_.episodes[{order.guard.session, due.due_case->rule}];
  const auto anchor = due.due_case->judgement.anchor;
  if (episode.anchor != anchor) episode = {};
  episode.anchor = anchor;
  episode.mode = order.mode;
  episode.policy = order.policy;
  episode.decision = order.decision;
  episode.database = order.database;
  episode.user = order.user;
  episode.ordered_step = due.next.number;
  episode.ordered_kind = due.next.kind;
  episode.in_flight = true;
  episode.is_carried = is_carried;
  episode.awaits_verification = false;
  episode.told_still_there = false;
  if (order.is_signal()) episode.look_needed = ledger_.looks_sent + 1;
  if (due.next.kind != StepKind::kAlert) note_pace(due);
}

void OrderDesk::note_pace(const DueStep& due) {
  const auto& selection = rule_of(due).selection;
  if (!selection.at_most && selection.pause == Duration(0)) return;
  auto& pace = ledger_.paces[due.due_case->rule];
  if (pace.look_number != docket_.look_number)
    pace = {docket_.look_number, 0, selection.pause, pace.paused_until};
  ++pace.signals;
  if (selection.pause > Duration(0)) pace.paused_until = now_.monotonic + selection.pause + kWhileInFlight;
}

}  // namespace pgcurfew
