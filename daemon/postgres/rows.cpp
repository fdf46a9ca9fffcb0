#include "postgres/rows.hpp"

#include <cstdlib>
#include <string_view>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "postgres/statements.hpp"

namespace pgcurfew {

namespace {

template <class Integer>
Integer from_network(const char* bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return static_cast<Integer>(value);
}

template <class Integer>
std::string to_network(Integer value) {
  std::string bytes(sizeof(Integer), '\0');
  auto rest = static_cast<std::uint64_t>(value);
  for (std::size_t i = sizeof(Integer); i-- > 0; rest >>= 8) bytes[i] = static_cast<char>(rest & 0xFF);
  return bytes;
}

/// One row, column by column from the left; remembers whether any column had another shape than promised.
class RowReader {
 public:
  RowReader(const PGresult* result, int row) : result_(result), row_(row) {}

  std::optional<std::string> text() {
    const int column = column_++;
    if (PQgetisnull(result_, row_, column) != 0) return std::nullopt;
    return std::string(PQgetvalue(result_, row_, column), length(column));
  }
  template <class Integer>
  std::optional<Integer> integer() {
    const int column = column_++;
    if (PQgetisnull(result_, row_, column) != 0) return std::nullopt;
    if (length(column) != sizeof(Integer)) {
      is_good_ = false;
      return std::nullopt;
    }
    return from_network<Integer>(PQgetvalue(result_, row_, column));
  }
  std::optional<ServerTime> time() {
    const auto microseconds = integer<std::int64_t>();
    if (!microseconds) return std::nullopt;
    return ServerTime(Duration(*microseconds));
  }
  /// inet: family, bits, is_cidr, length, bytes.
  std::optional<Address> address() {
    const int column = column_++;
    if (PQgetisnull(result_, row_, column) != 0) return std::nullopt;
    const std::string_view bytes(PQgetvalue(result_, row_, column), length(column));
    constexpr std::size_t kHeader = 4;
    const bool is_v4 = bytes.size() == kHeader + 4;
    if (!is_v4 && bytes.size() != kHeader + 16) {
      is_good_ = false;
      return std::nullopt;
    }
    Address address;
    address.is_v6 = !is_v4;
    for (std::size_t i = kHeader; i < bytes.size(); ++i) {
      address.bytes[i - kHeader] = static_cast<std::uint8_t>(bytes[i]);
    }
    return address;
  }
  [[nodiscard]] bool is_good() const { return is_good_; }

 private:
  [[nodiscard]] std::size_t length(int column) const {
    return static_cast<std::size_t>(PQgetlength(result_, row_, column));
  }
  const PGresult* result_;
  int row_;
  int column_ = 0;
  bool is_good_ = true;
};

tl::unexpected<Error> misshapen(std::string_view what) {
  return failure(fmt::format("the server's {} has an unexpected shape", what), {},
                 "Is this PostgreSQL, and not something that only speaks its protocol?");
}

/// Nothing for no oid; a null pointer for one without a name, which `look` remembers.
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
  const bool is_others = session.user != facts.role;
  session.is_beyond_us = !facts.is_superuser && (is_superusers || (is_others && !facts.can_signal));
}

constexpr int kLookColumns = 18;
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
  if (PQnfields(result) != kLookColumns || rows < 1) return misshapen("look");
  LookRows look;
  look.snapshot.sessions.reserve(static_cast<std::size_t>(rows));
  for (int row = 0; row < rows; ++row) {
    RowReader reader(result, row);
    Session session;
    const auto pid = reader.integer<std::int32_t>();
    const auto backend_start = reader.time();
    const auto database = find_name(names.databases, names, reader.integer<std::uint32_t>(), look);
    const auto role = find_name(names.roles, names, reader.integer<std::uint32_t>(), look);
    set_names(session, database, role, facts);
    session.application_name = reader.text();
    session.client_addr = reader.address();
    session.is_local = reader.integer<std::int32_t>() == -1;
    session.backend_type = reader.text().value_or("");
    session.leader_pid = reader.integer<std::int32_t>();
    if (const auto state = reader.text()) session.state = state_of(*state);
    session.xact_start = reader.time();
    session.query_start = reader.time();
    session.state_change = reader.time();
    session.wait_event_type = reader.text();
    session.wait_event = reader.text();
    session.query_id = reader.integer<std::int64_t>();
    session.query = reader.text();
    const auto clock = reader.time();
    if (!reader.is_good() || !pid || !clock) return misshapen("look");
    // the rows are made first and their clocks read while they are sent: the last one's is the freshest
    look.snapshot.taken_at = *clock;
    if (!backend_start) {
      ++look.snapshot.hidden;
      continue;
    }
    session.key = {*pid, *backend_start};
    const bool is_sibling = session.user == facts.role && session.application_name &&
                            session.application_name->starts_with("pgcurfew");
    session.is_own = *pid == facts.backend_pid || is_sibling;
    look.snapshot.sessions.push_back(std::move(session));
  }
  return look;
}

Result<ServerFacts> read_facts(const PGresult* result, int server_version) {
  if (PQntuples(result) != 1 || PQnfields(result) != 7) return misshapen("self-description");
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
  facts.is_superuser = text(6) == "t";
  return facts;
}

namespace {
template <class Fill>
Result<Names> read_names(const PGresult* result, Fill fill) {
  if (PQnfields(result) != 3) return misshapen("list of names");
  Names names;
  for (int row = 0; row < PQntuples(result); ++row) {
    const auto oid = std::strtoul(PQgetvalue(result, row, 0), nullptr, 10);
    Name name;
    name.name = PQgetvalue(result, row, 1);
    fill(name, PQgetvalue(result, row, 2));
    names.emplace(static_cast<std::uint32_t>(oid), std::move(name));
  }
  return names;
}
}  // namespace

Result<Names> read_database_names(const PGresult* result) {
  return read_names(result, [](Name& name, const char* text) { name.description = text; });
}

Result<Names> read_role_names(const PGresult* result) {
  return read_names(result, [](Name& name, const char* text) { name.is_superuser = *text == 't'; });
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
  // a row of another session under the same pid tells nothing of ours
  if (reply.kind == ReplyKind::kGone) {
    reply.state.reset();
    reply.wait_event_type.reset();
    reply.wait_event.reset();
    reply.query.reset();
  }
  return reply;
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

GuardParameters::GuardParameters(const Guard& guard, const NameCache& names) {
  using namespace statement;
  int checks = 0;
  const auto time = [](ServerTime value) { return to_network(value.time_since_epoch().count()); };
  const auto add_time = [&](const Unchanged<ServerTime>& value, int bit) {
    if (value) checks |= bit;
    bytes_.push_back(value && *value ? std::optional(time(**value)) : std::nullopt);
  };
  const auto add_text = [&](const Unchanged<std::string>& value, int bit) {
    if (value) checks |= bit;
    bytes_.push_back(value ? *value : std::nullopt);
  };
  Unchanged<std::string> state;
  if (guard.state) state = *guard.state ? std::optional(std::string(name_of(**guard.state))) : std::nullopt;

  bytes_.emplace_back(to_network(guard.session.pid));
  bytes_.emplace_back(time(guard.session.backend_start));
  bytes_.emplace_back(guard.backend_type);
  bytes_.emplace_back(time(guard.not_before));
  bytes_.emplace_back(time(guard.not_after));
  const auto checks_at = bytes_.size();
  bytes_.emplace_back();
  add_time(guard.xact_start, kCheckXactStart);
  add_time(guard.query_start, kCheckQueryStart);
  add_time(guard.state_change, kCheckStateChange);
  add_text(state, kCheckState);
  add_text(guard.wait_event_type, kCheckWaitEventType);
  add_text(guard.wait_event, kCheckWaitEvent);
  add_text(guard.application_name, kCheckApplicationName);
  if (guard.query_id) checks |= kCheckQueryId;
  bytes_.push_back(guard.query_id && *guard.query_id ? std::optional(to_network(**guard.query_id))
                                                     : std::nullopt);
  if (guard.database) checks |= kCheckDatabase;
  std::optional<std::string> description;
  for (const auto& entry : names.databases) {
    if (guard.database && entry.second.name == *guard.database) description = entry.second.description;
  }
  bytes_.push_back(std::move(description));
  if (guard.user) checks |= kCheckUser;
  bytes_.push_back(guard.user);
  bytes_[checks_at] = to_network(static_cast<std::int32_t>(checks));
  for (const auto& value : bytes_) {
    values_.push_back(value ? value->data() : nullptr);
    lengths_.push_back(value ? static_cast<int>(value->size()) : 0);
    formats_.push_back(1);
  }
}

}  // namespace pgcurfew
