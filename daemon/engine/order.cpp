#include "engine/order.hpp"

#include <bitset>

#include "engine/judge.hpp"

namespace pgcurfew {

namespace {

using Facts = std::bitset<32>;

void add_facts(Facts& facts, const Match& match) {
  for (const auto& condition : match.conditions) facts.set(static_cast<std::size_t>(condition.field));
  for (const auto& age : match.ages) facts.set(static_cast<std::size_t>(field_of(age.clock)));
}

Facts facts_read(const Policy& policy, const Rule& rule) {
  Facts facts;
  add_facts(facts, rule.match);
  for (const auto& exception : rule.except) add_facts(facts, exception.match);
  for (const auto& match : policy.protect) add_facts(facts, match);
  facts.set(static_cast<std::size_t>(field_of(anchor_clock_of(rule))));
  return facts;
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
  return guard;
}

}  // namespace pgcurfew
