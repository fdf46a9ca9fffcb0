#include "policy/field.hpp"

#include <algorithm>

namespace pgcurfew {

namespace {

constexpr std::array<FieldEntry, static_cast<std::size_t>(Field::kSessionAge) + 1> kFields{{
    {Field::kDatabase, "database", "datname", ValueKind::kPatterns, Change::kNever, false, " in database ",
     "[app, \"app_*\"]", "name of the database"},
    {Field::kUser, "user", "usename", ValueKind::kPatterns, Change::kNever, false, " of user ", "reporting",
     "role that the session logged in as"},
    {Field::kApplicationName, "application_name", "application_name", ValueKind::kPatterns,
     Change::kAtAnyStatement, true, " with application_name ", "\"nightly-*\"",
     "name that the client gives itself; any client can set it to anything"},
    {Field::kClientAddr, "client_addr", "client_addr", ValueKind::kAddresses, Change::kNever, false,
     " from client_addr ", "[10.0.0.0/8, local]",
     "address, network in CIDR form, or local for the Unix-domain socket"},
    {Field::kBackendType, "backend_type", "backend_type", ValueKind::kBackendTypes, Change::kNever, false,
     " of backend_type ", "autovacuum worker", "type of the server process; client backend unless named"},
    {Field::kState, "state", "state", ValueKind::kStates, Change::kWithState, false, "",
     "idle in transaction", "what the session is doing"},
    {Field::kWaitEventType, "wait_event_type", "wait_event_type", ValueKind::kPatterns, Change::kAtAnyMoment,
     false, " waiting for wait_event_type ", "Client", "type of event that the session waits for"},
    {Field::kWaitEvent, "wait_event", "wait_event", ValueKind::kPatterns, Change::kAtAnyMoment, false,
     " waiting for wait_event ", "ClientRead", "event that the session waits for"},
    {Field::kQuery, "query", "query", ValueKind::kRegularExpressions, Change::kWithQuery, true,
     " with a text that matches ", "'(?i)^\\s*copy\\b'", "text of the query, as far as the server keeps it"},
    {Field::kQueryId, "query_id", "query_id", ValueKind::kNumbers, Change::kWithinStatement, true,
     " with query_id ", "-4711", "identifier of the query (PostgreSQL 14 and later, compute_query_id)"},
    {Field::kXminAge, "xmin_age", "backend_xmin", ValueKind::kTransactions, Change::kAtAnyMoment, false, "",
     "50M", "at least this number of transactions since the oldest one that the session holds back"},
    {Field::kBlocks, "blocks", "pg_blocking_pids", ValueKind::kBlocks, Change::kAtAnyMoment, false, "",
     "{ user: migrator, blocked_for: 5s }",
     "at least this number of sessions wait for the session, directly or through others"},
    {Field::kBlocksFor, "blocks_for", "pg_blocking_pids", ValueKind::kAge, Change::kAtAnyMoment, false, "",
     "5s", "at least this time since that number of sessions began to wait for the session"},
    {Field::kBlockedFor, "blocked_for", "waitstart", ValueKind::kAge, Change::kAtAnyMoment, false, "", "5s",
     "at least this time since the session began to wait for a lock"},
    {Field::kQueryAge, "query_age", "query_start", ValueKind::kAge, Change::kAtAnyMoment, false, "", "10min",
     "at least this time since query_start"},
    {Field::kTransactionAge, "transaction_age", "xact_start", ValueKind::kAge, Change::kAtAnyMoment, false,
     "", "1h 30min", "at least this time since xact_start"},
    {Field::kStateAge, "state_age", "state_change", ValueKind::kAge, Change::kAtAnyMoment, false, "", "10min",
     "at least this time since state_change"},
    {Field::kSessionAge, "session_age", "backend_start", ValueKind::kAge, Change::kAtAnyMoment, false, "",
     "12h", "at least this time since backend_start"},
}};

/// Each field has its entry at its place, where entry_of() finds it.
constexpr bool is_in_order() {
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    if (kFields[i].field != static_cast<Field>(i)) return false;
  }
  return true;
}
static_assert(is_in_order());

/// A guard can only hold what changes if it knows how: see GuardMaker.
constexpr bool can_be_guarded(const FieldEntry& entry) {
  switch (entry.kind) {
    case ValueKind::kRegularExpressions:
      return entry.change == Change::kNever || entry.change == Change::kWithQuery;
    case ValueKind::kAddresses:
    case ValueKind::kBackendTypes:
      return entry.change == Change::kNever;
    default:
      return true;
  }
}
static_assert(std::all_of(kFields.begin(), kFields.end(), can_be_guarded));

constexpr std::array<std::string_view, 7> kStates{
    "active",   "idle",    "idle in transaction", "idle in transaction (aborted)", "fastpath function call",
    "disabled", "starting"};

}  // namespace

std::span<const FieldEntry> all_fields() {
  return kFields;
}

const FieldEntry& entry_of(Field field) {
  return kFields[static_cast<std::size_t>(field)];
}

bool is_guarded_text(Field field) {
  return entry_of(field).kind == ValueKind::kPatterns && entry_of(field).change != Change::kNever;
}
bool is_guarded_number(Field field) {
  return entry_of(field).kind == ValueKind::kNumbers && entry_of(field).change != Change::kNever;
}

std::optional<Field> field_of(std::string_view name) {
  for (const auto& entry : kFields) {
    if (entry.name == name) return entry.field;
  }
  return std::nullopt;
}

Field field_of(Clock clock) {
  switch (clock) {
    case Clock::kBlockedFor:
      return Field::kBlockedFor;
    case Clock::kBlocksFor:
      return Field::kBlocksFor;
    case Clock::kStateAge:
      return Field::kStateAge;
    case Clock::kQueryAge:
      return Field::kQueryAge;
    case Clock::kTransactionAge:
      return Field::kTransactionAge;
    case Clock::kSessionAge:
      break;
  }
  return Field::kSessionAge;
}

std::optional<Clock> clock_of(Field field) {
  switch (field) {
    case Field::kBlockedFor:
      return Clock::kBlockedFor;
    case Field::kBlocksFor:
      return Clock::kBlocksFor;
    case Field::kStateAge:
      return Clock::kStateAge;
    case Field::kQueryAge:
      return Clock::kQueryAge;
    case Field::kTransactionAge:
      return Clock::kTransactionAge;
    case Field::kSessionAge:
      return Clock::kSessionAge;
    default:
      return std::nullopt;
  }
}

std::string_view name_of(Clock clock) {
  return entry_of(field_of(clock)).name;
}
std::string_view column_of(Clock clock) {
  return entry_of(field_of(clock)).column;
}

std::span<const std::string_view> all_state_names() {
  return kStates;
}

std::string_view name_of(State state) {
  const auto index = static_cast<std::size_t>(state);
  return index < kStates.size() ? kStates[index] : std::string_view("(unknown)");
}

State state_of(std::string_view name) {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (kStates[i] == name) return static_cast<State>(i);
  }
  return State::kOther;
}

}  // namespace pgcurfew
