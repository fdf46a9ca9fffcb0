#include "engine/order.hpp"

#include <algorithm>
#include <bitset>

#include "engine/blockers.hpp"
#include "engine/judge.hpp"

namespace pgcurfew {

namespace {

using Facts = std::bitset<32>;

void add_facts(Facts& facts, const Match& match) {
  for (const auto& condition : match.conditions) facts.set(static_cast<std::size_t>(condition.field));
  for (const auto& age : match.ages) facts.set(static_cast<std::size_t>(field_of(age.clock)));
}

/// Whether a session whose anchor stands where it stood can have come under a protection since. Those of our
/// own that rest on the state and the statement begin with another state, query or transaction.
bool can_have_come_under(const Match& protection, AnchorKind anchor) {
  if (anchor == AnchorKind::kBackendStart) return true;
  // a LISTEN that was under way is over, and its session idle
  if (protection.protection == protection::kListeners) return anchor == AnchorKind::kQueryStart;
  return protection.protection != protection::kConcurrentIndex;
}

Facts facts_read(const Policy& policy, const Rule& rule) {
  Facts facts;
  add_facts(facts, rule.match);
  for (const auto& exception : rule.except) add_facts(facts, exception.match);
  // with whom it was counted
  if (rule.selection.keep) {
    for (const auto field : rule.selection.per) facts.set(static_cast<std::size_t>(field));
  }
  if (rule.repeat) facts.set(static_cast<std::size_t>(rule.repeat->per));
  const auto anchor = anchor_kind_of(rule);
  for (const auto& match : policy.protect) {
    if (match.protection == protection::kSyncRep) continue;  // the guard has its own eye on it
    if (can_have_come_under(match, anchor)) add_facts(facts, match);
  }
  return facts;
}

/// The anchor has to stand where it stood.
void hold_anchor(Guard& guard, const Rule& rule, const Session& session) {
  switch (anchor_kind_of(rule)) {
    case AnchorKind::kStateChange:
    case AnchorKind::kStateChangeIfAny:
      guard.state_change = session.state_change;
      return;
    case AnchorKind::kQueryStart:
      guard.query_start = session.query_start;
      return;
    case AnchorKind::kXactStart:
      guard.xact_start = session.xact_start;
      return;
    case AnchorKind::kTransaction:
      guard.xact_start = session.xact_start;
      if (!session.xact_start) guard.state_change = session.state_change;
      return;
    case AnchorKind::kBackendStart:
      return;
  }
}

/// What the rule asks of locks, xmin and the server.
void hold_surroundings(Guard& guard, const Policy& policy, const Rule& rule, const Session& session) {
  const auto blocking = blocking_of(rule.match);
  if (blocking.is_asked) {
    guard.edges = edges_of(blocking, session);
    guard.may_not_wait_for_lock = !blocking.may_wait;
  }
  if (blocking.may_wait) {
    guard.query_start = session.query_start;
    guard.wait_event_type = std::string("Lock");
    // a statement can have had its lock and wait for another's
    if (!session.blockers.empty()) {
      guard.edges.insert(guard.edges.begin(), {session.key, session.query_start, session.blockers.front()});
      guard.edges.resize(std::min(guard.edges.size(), Guard::kMostEdges));
    }
  }
  for (const auto& condition : rule.match.conditions) {
    if (const auto* test = std::get_if<XminAgeTest>(&condition.test)) guard.xmin_age = test->at_least;
  }
  if (rule.when.role) guard.in_recovery = *rule.when.role == Role::kStandby;
  guard.may_wait_for_sync_rep = is_switched_off(policy, protection::kSyncRep);
}

}  // namespace

std::string_view name_of(ReplyKind kind) {
  switch (kind) {
    case ReplyKind::kSignalled:
      return "signalled";
    case ReplyKind::kMovedOn:
      return "moved_on";
    case ReplyKind::kGone:
      return "gone";
    case ReplyKind::kEarly:
      return "early";
    case ReplyKind::kShifted:
      return "shifted";
    case ReplyKind::kStale:
      return "stale";
    case ReplyKind::kSyncRep:
      return "sync_rep";
    case ReplyKind::kDenied:
      return "denied";
    case ReplyKind::kFailed:
      return "failed";
    case ReplyKind::kUnknown:
      break;
  }
  return "unknown";
}

Guard make_guard(const Policy& policy, const Rule& rule, const Session& session, bool rests_on_state) {
  const auto facts = facts_read(policy, rule);
  const auto reads = [&](Field field) { return facts.test(static_cast<std::size_t>(field)); };
  Guard guard;
  guard.session = session.key;
  guard.backend_type = session.backend_type;
  if (reads(Field::kTransactionAge)) guard.xact_start = session.xact_start;
  // a query's text and its query_start change together
  if (reads(Field::kQueryAge) || reads(Field::kQuery) || reads(Field::kQueryId)) {
    guard.query_start = session.query_start;
  }
  if (reads(Field::kStateAge)) guard.state_change = session.state_change;
  if (reads(Field::kState) || rests_on_state) guard.state = session.state;
  if (reads(Field::kWaitEventType)) guard.wait_event_type = session.wait_event_type;
  if (reads(Field::kWaitEvent)) guard.wait_event = session.wait_event;
  if (reads(Field::kApplicationName)) guard.application_name = session.application_name;
  if (reads(Field::kQueryId)) guard.query_id = session.query_id;
  if (reads(Field::kDatabase)) guard.database = session.database;
  if (reads(Field::kUser)) guard.user = session.user;
  hold_anchor(guard, rule, session);
  hold_surroundings(guard, policy, rule, session);
  return guard;
}

}  // namespace pgcurfew
