#include "postgres/rows.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "postgres/look_columns.hpp"
#include "postgres/row_reader.hpp"

namespace pgcurfew {

namespace {

/// Empty if there is no oid; null if the oid has no name, which is then recorded in `look`.
std::optional<const Name*> find_name(const Names& names, const NameCache& cache,
                                     std::optional<std::uint32_t> oid, LookRows& look) {
  if (!oid || *oid == 0) return std::nullopt;
  const auto found = names.find(*oid);
  if (found != names.end()) return &found->second;
  if (!cache.nameless.contains(*oid)) look.unknown.insert(*oid);
  return nullptr;
}

void set_names(Session& session, std::optional<const Name*> database, std::optional<const Name*> role,
               const ServerFacts& facts) {
  if (database && *database != nullptr) session.database = (*database)->name;
  session.has_nameless_database = database && *database == nullptr;
  if (role && *role != nullptr) session.user = (*role)->name;
  session.has_nameless_user = role && *role == nullptr;
  const bool is_superusers = role && *role != nullptr && (*role)->is_superuser;
  const bool is_ours = session.user == facts.role || (role && *role != nullptr && (*role)->is_ours);
  session.is_superusers = is_superusers;
  session.is_beyond_us = !facts.is_superuser && (is_superusers || (!is_ours && !facts.can_signal));
}

/// Removes duplicates; keeps the first of each.
template <class Value>
void drop_repeated(std::vector<Value>& values) {
  std::vector<Value> kept;
  for (auto& value : values) {
    if (std::find(kept.begin(), kept.end(), value) == kept.end()) kept.push_back(std::move(value));
  }
  values = std::move(kept);
}

constexpr int kWaitsColumns = 5;
constexpr int kFactsColumns = 9;
constexpr int kVerdictColumns = 6;

}  // namespace

Result<ServerTime> read_time(const PGresult* result, int row, int column) {
  if (PQntuples(result) <= row || PQnfields(result) <= column || PQgetlength(result, row, column) != 8) {
    return misshapen("time");
  }
  return ServerTime(Duration(from_network<std::int64_t>(PQgetvalue(result, row, column))));
}

Result<LookRows> read_look(const PGresult* result, const NameCache& names, const ServerFacts& facts) {
  const int rows = PQntuples(result);
  if (PQnfields(result) != static_cast<int>(look_columns().size()) || rows < 1) return misshapen("look");
  LookRows look;
  look.look.sessions.reserve(static_cast<std::size_t>(rows));
  for (int row = 0; row < rows; ++row) {
    RowReader reader(result, row);
    LookRow read;
    for (const auto& column : look_columns()) column.read(reader, read);
    if (!reader.is_good() || !read.pid || !read.in_recovery || !read.clock) return misshapen("look");
    look.look.in_recovery = *read.in_recovery;
    // the rows are made first and their clocks read while they are sent: the last one's is the freshest
    look.look.taken_at = *read.clock;
    const auto database = find_name(names.databases, names, read.database, look);
    const auto role = find_name(names.roles, names, read.role, look);
    if (!read.backend_start) {
      ++look.look.hidden;
      continue;
    }
    auto& session = look.look.sessions.emplace_back(std::move(read.session));
    session.key = {*read.pid, *read.backend_start};
    set_names(session, database, role, facts);
    const bool is_sibling = session.user == facts.role && session.application_name &&
                            session.application_name->starts_with("pgcurfew");
    session.is_own = session.key.pid == facts.backend_pid || is_sibling;
  }
  look.look.connection_slots = facts.connection_slots;
  look.look.elder = elder_of(look.look, facts.backend_pid);
  return look;
}

Result<std::vector<LockWait>> read_waits(const PGresult* result) {
  if (PQnfields(result) != kWaitsColumns) return misshapen("list of waits");
  std::vector<LockWait> waits;
  for (int row = 0; row < PQntuples(result); ++row) {
    RowReader reader(result, row);
    LockWait wait;
    const auto pid = reader.integer<std::int32_t>();
    const auto backend_start = reader.time();
    wait.since = reader.time();
    wait.blockers = reader.integers();
    wait.prepared = reader.elements();
    if (!reader.is_good() || !pid) return misshapen("list of waits");
    if (!backend_start || wait.blockers.empty()) continue;  // it has got what it waited for
    wait.waiter = {*pid, *backend_start};
    drop_repeated(wait.blockers);
    drop_repeated(wait.prepared);
    waits.push_back(std::move(wait));
  }
  return waits;
}

Result<ServerFacts> read_facts(const PGresult* result, int server_version) {
  if (PQntuples(result) != 1 || PQnfields(result) != kFactsColumns) return misshapen("self-description");
  const auto text = [&](int column) { return std::string_view(PQgetvalue(result, 0, column)); };
  ServerFacts facts;
  facts.version_num = server_version;
  facts.version = fmt::format("{}.{}", server_version / 10000, server_version % 10000);
  facts.backend_pid = static_cast<std::int32_t>(std::strtol(text(0).data(), nullptr, 10));
  facts.postmaster_start = ServerTime(Duration(std::strtoll(text(1).data(), nullptr, 10)));
  facts.in_recovery = text(2) == "t";
  facts.role = text(3);
  facts.can_read_all_stats = text(4) == "t";
  facts.can_signal = text(5) == "t";
  facts.can_signal_members = text(6) == "t";
  facts.is_superuser = text(7) == "t";
  facts.connection_slots = static_cast<int>(std::strtol(text(8).data(), nullptr, 10));
  return facts;
}

namespace {
template <class Fill>
Result<Names> read_names(const PGresult* result, int columns, Fill fill) {
  if (PQnfields(result) != columns) return misshapen("list of names");
  Names names;
  for (int row = 0; row < PQntuples(result); ++row) {
    const auto oid = std::strtoul(PQgetvalue(result, row, 0), nullptr, 10);
    Name name;
    name.name = PQgetvalue(result, row, 1);
    fill(name, row);
    names.emplace(static_cast<std::uint32_t>(oid), std::move(name));
  }
  return names;
}
}  // namespace

Result<Names> read_database_names(const PGresult* result) {
  return read_names(result, 3, [&](Name& name, int row) { name.description = PQgetvalue(result, row, 2); });
}

Result<Names> read_role_names(const PGresult* result) {
  return read_names(result, 4, [&](Name& name, int row) {
    name.is_superuser = *PQgetvalue(result, row, 2) == 't';
    name.is_ours = *PQgetvalue(result, row, 3) == 't';
  });
}

Result<Reply> read_verdict(const PGresult* result) {
  Reply reply;
  if (PQnfields(result) != kVerdictColumns) return misshapen("verdict");
  if (PQntuples(result) == 0) {
    reply.kind = ReplyKind::kGone;
    return reply;
  }
  RowReader reader(result, 0);
  reply.server_time = reader.time();
  const auto verdict = reader.text();
  if (const auto state = reader.text()) reply.state = state_of(*state);
  reply.wait_event_type = reader.text();
  reply.wait_event = reader.text();
  reply.query = reader.text();
  if (!reader.is_good() || !verdict || !reply.server_time) return misshapen("verdict");
  if (verdict == "signalled") {
    reply.kind = ReplyKind::kSignalled;
  } else if (verdict == "moved_on") {
    reply.kind = ReplyKind::kMovedOn;
  } else if (verdict == "gone") {
    reply.kind = ReplyKind::kGone;
  } else if (verdict == "early") {
    reply.kind = ReplyKind::kEarly;
  } else if (verdict == "shifted") {
    reply.kind = ReplyKind::kShifted;
  } else if (verdict == "stale") {
    reply.kind = ReplyKind::kStale;
  } else if (verdict == "sync_rep") {
    reply.kind = ReplyKind::kSyncRep;
  } else {
    return misshapen("verdict");
  }
  // the row is of another session with the same pid
  if (reply.kind == ReplyKind::kGone) {
    reply.state.reset();
    reply.wait_event_type.reset();
    reply.wait_event.reset();
    reply.query.reset();
  }
  return reply;
}

bool is_good(const PGresult* result) {
  const auto status = PQresultStatus(result);
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

Error error_of(const PGresult* result) {
  const auto field = [&](int code) {
    const char* text = PQresultErrorField(result, code);
    return std::string(text == nullptr ? "" : text);
  };
  Error error{field(PG_DIAG_MESSAGE_PRIMARY), field(PG_DIAG_MESSAGE_DETAIL), field(PG_DIAG_MESSAGE_HINT),
              field(PG_DIAG_SQLSTATE)};
  if (error.message.empty()) error.message = PQresultErrorMessage(result);
  while (!error.message.empty() && error.message.back() == '\n') error.message.pop_back();
  return error;
}

}  // namespace pgcurfew
