#include "postgres/parameters.hpp"

#include <algorithm>

#include "postgres/statements.hpp"

namespace pgcurfew {

namespace {

using Bytes = std::optional<std::string>;

template <class Integer>
std::string to_network(Integer value) {
  std::string bytes(sizeof(Integer), '\0');
  auto rest = static_cast<std::uint64_t>(value);
  for (std::size_t i = sizeof(Integer); i-- > 0; rest >>= 8) bytes[i] = static_cast<char>(rest & 0xFF);
  return bytes;
}

std::string time(ServerTime value) {
  return to_network(static_cast<std::int64_t>(value.time_since_epoch().count()));
}

// from pg_type.dat; built-in types never change theirs
constexpr std::int32_t kInt4Oid = 23;
constexpr std::int32_t kTimestamptzOid = 1184;

/// An array of one dimension.
std::string array(std::int32_t element_oid, const std::vector<Bytes>& elements) {
  const bool has_nulls = std::find(elements.begin(), elements.end(), std::nullopt) != elements.end();
  std::string bytes;
  for (const std::int32_t number :
       {1, has_nulls ? 1 : 0, element_oid, static_cast<std::int32_t>(elements.size()), 1}) {
    bytes += to_network(number);
  }
  for (const auto& element : elements) {
    bytes += to_network(element ? static_cast<std::int32_t>(element->size()) : std::int32_t{-1});
    if (element) bytes += *element;
  }
  return bytes;
}

void add_edges(std::vector<Bytes>& bytes, const std::vector<BlockEdge>& edges) {
  std::vector<Bytes> waiters;
  std::vector<Bytes> backend_starts;
  std::vector<Bytes> query_starts;
  std::vector<Bytes> blockers;
  for (const auto& edge : edges) {
    waiters.emplace_back(to_network(edge.waiter.pid));
    backend_starts.emplace_back(time(edge.waiter.backend_start));
    query_starts.push_back(edge.query_start ? Bytes(time(*edge.query_start)) : std::nullopt);
    blockers.emplace_back(to_network(edge.blocker));
  }
  bytes.emplace_back(array(kInt4Oid, waiters));
  bytes.emplace_back(array(kTimestamptzOid, backend_starts));
  bytes.emplace_back(array(kTimestamptzOid, query_starts));
  bytes.emplace_back(array(kInt4Oid, blockers));
}

/// The name as the guard compares it, which is not always the name itself.
Bytes described(const std::optional<std::string>& database, const NameCache& names) {
  Bytes description;
  for (const auto& entry : names.databases) {
    if (database && entry.second.name == *database) description = entry.second.description;
  }
  return description;
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
  return Parameters({to_network(number)});
}

Parameters Parameters::of_waits(std::int32_t pid) {
  return Parameters({array(kInt4Oid, {to_network(pid)})});
}

std::optional<Parameters> Parameters::of_waits(const Snapshot& snapshot) {
  std::vector<const Session*> waiters;
  for (const auto& session : snapshot.sessions) {
    if (session.wait_event_type == "Lock") waiters.push_back(&session);
  }
  if (waiters.empty()) return std::nullopt;
  // before version 14 nothing tells since when: nobody can wait for longer than his query runs
  std::sort(waiters.begin(), waiters.end(), [](const Session* one, const Session* other) {
    return std::pair(one->query_start, one->key) < std::pair(other->query_start, other->key);
  });
  std::vector<Bytes> pids;
  pids.reserve(waiters.size());
  for (const auto* waiter : waiters) pids.emplace_back(to_network(waiter->key.pid));
  return Parameters({array(kInt4Oid, pids)});
}

Parameters Parameters::of_guard(const Guard& guard, const NameCache& names) {
  using namespace statement;
  int checks = 0;
  std::vector<Bytes> bytes;
  const auto add_time = [&](const Unchanged<ServerTime>& value, int bit) {
    if (value) checks |= bit;
    bytes.push_back(value && *value ? Bytes(time(**value)) : std::nullopt);
  };
  const auto add_text = [&](const Unchanged<std::string>& value, int bit) {
    if (value) checks |= bit;
    bytes.push_back(value ? *value : std::nullopt);
  };
  const auto add_if_set = [&](bool is_set, int bit, Bytes value) {
    if (is_set) checks |= bit;
    bytes.push_back(is_set ? std::move(value) : std::nullopt);
  };
  Unchanged<std::string> state;
  if (guard.state) state = *guard.state ? std::optional(std::string(name_of(**guard.state))) : std::nullopt;

  bytes.emplace_back(to_network(guard.session.pid));
  bytes.emplace_back(time(guard.session.backend_start));
  bytes.emplace_back(guard.backend_type);
  bytes.emplace_back(time(guard.not_before));
  bytes.emplace_back(time(guard.not_after));
  const auto checks_at = bytes.size();
  bytes.emplace_back();
  add_time(guard.xact_start, kCheckXactStart);
  add_time(guard.query_start, kCheckQueryStart);
  add_time(guard.state_change, kCheckStateChange);
  add_text(state, kCheckState);
  add_text(guard.wait_event_type, kCheckWaitEventType);
  add_text(guard.wait_event, kCheckWaitEvent);
  add_text(guard.application_name, kCheckApplicationName);
  add_if_set(guard.query_id.has_value(), kCheckQueryId,
             guard.query_id && *guard.query_id ? Bytes(to_network(**guard.query_id)) : std::nullopt);
  add_if_set(guard.database.has_value(), kCheckDatabase, described(guard.database, names));
  add_if_set(guard.user.has_value(), kCheckUser, guard.user);
  add_if_set(guard.xmin_age.has_value(), kCheckXminAge, to_network(guard.xmin_age.value_or(0)));
  add_if_set(guard.in_recovery.has_value(), kCheckInRecovery,
             std::string(1, guard.in_recovery.value_or(false) ? '\1' : '\0'));
  if (guard.may_not_wait_for_lock) checks |= kCheckNoWaitForLock;
  if (guard.may_wait_for_sync_rep) checks |= kLetWaitForSyncRep;
  bytes[checks_at] = to_network(static_cast<std::int32_t>(checks));
  if (!guard.edges.empty()) add_edges(bytes, guard.edges);
  return Parameters(std::move(bytes));
}

}  // namespace pgcurfew
