#include "postgres/parameters.hpp"

#include <algorithm>

#include "postgres/binary.hpp"
#include "postgres/guard_facts.hpp"

namespace pgcurfew {

namespace {

void add_edges(std::vector<Bytes>& bytes, const std::vector<BlockEdge>& edges) {
  std::vector<Bytes> waiters;
  std::vector<Bytes> backend_starts;
  std::vector<Bytes> query_starts;
  std::vector<Bytes> blockers;
  for (const auto& edge : edges) {
    waiters.emplace_back(to_bytes(edge.waiter.pid));
    backend_starts.emplace_back(to_bytes(edge.waiter.backend_start));
    query_starts.push_back(edge.query_start ? Bytes(to_bytes(*edge.query_start)) : std::nullopt);
    blockers.emplace_back(to_bytes(edge.blocker));
  }
  bytes.emplace_back(to_bytes(kInt4Oid, waiters));
  bytes.emplace_back(to_bytes(kTimestamptzOid, backend_starts));
  bytes.emplace_back(to_bytes(kTimestamptzOid, query_starts));
  bytes.emplace_back(to_bytes(kInt4Oid, blockers));
}

}  // namespace

Parameters::Parameters(std::vector<Bytes> bytes) : bytes_(std::move(bytes)) {
  for (const auto& value : bytes_) {
    values_.push_back(value ? value->data() : nullptr);
    lengths_.push_back(value ? static_cast<int>(value->size()) : 0);
    formats_.push_back(1);
  }
}

Parameters Parameters::of_look(QueryTexts texts) {
  std::int32_t number = 0;
  switch (texts) {
    case QueryTexts::kNone:
      break;
    case QueryTexts::kActive:
      number = 1;
      break;
    case QueryTexts::kAll:
      number = 2;
      break;
  }
  return Parameters({to_bytes(number)});
}

Parameters Parameters::of_waits(std::int32_t pid) {
  return Parameters({to_bytes(kInt4Oid, {to_bytes(pid)})});
}

std::optional<Parameters> Parameters::of_waits(const Look& look) {
  std::vector<const Session*> waiters;
  for (const auto& session : look.sessions) {
    if (session.wait_event_type == "Lock") waiters.push_back(&session);
  }
  if (waiters.empty()) return std::nullopt;
  // before version 14 the server does not show when a wait began; it is not earlier than the query's start
  std::sort(waiters.begin(), waiters.end(), [](const Session* one, const Session* other) {
    return std::pair(one->query_start, one->key) < std::pair(other->query_start, other->key);
  });
  std::vector<Bytes> pids;
  pids.reserve(waiters.size());
  for (const auto* waiter : waiters) pids.emplace_back(to_bytes(waiter->key.pid));
  return Parameters({to_bytes(kInt4Oid, pids)});
}

Parameters Parameters::of_guard(const Guard& guard, const NameCache& names) {
  std::int32_t asked = guard.may_wait_for_sync_rep ? kLetWaitForSyncRep : 0;
  std::vector<Bytes> of_facts;
  for (std::size_t i = 0; i < guard_facts().size(); ++i) {
    auto value = guard_facts()[i].value(guard, names);
    if (value) asked |= guard_bit(i);
    of_facts.push_back(std::move(value).value_or(Bytes()));
  }
  std::vector<Bytes> bytes{to_bytes(guard.session.pid), to_bytes(guard.session.backend_start),
                           guard.backend_type,          to_bytes(guard.not_before),
                           to_bytes(guard.not_after),   to_bytes(asked)};
  bytes.insert(bytes.end(), of_facts.begin(), of_facts.end());
  if (!guard.edges.empty()) add_edges(bytes, guard.edges);
  return Parameters(std::move(bytes));
}

}  // namespace pgcurfew
