#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.hpp"
#include "base/time.hpp"
#include "policy/field.hpp"

namespace pgcurfew {

/// Identifies a session: pids are reused, the pair is not.
struct SessionKey {
  std::int32_t pid = 0;
  ServerTime backend_start{};
  auto operator<=>(const SessionKey&) const = default;
};

/// One row of pg_stat_activity. An empty optional is a NULL.
struct Session {
  SessionKey key;
  std::optional<std::string> database;  ///< also empty if the name could not be resolved
  std::optional<std::string> user;
  std::optional<std::string> application_name;
  std::optional<Address> client_addr;
  bool is_local = false;  ///< came through the Unix-domain socket
  std::string backend_type;
  std::optional<std::int32_t> leader_pid;
  std::optional<State> state;
  std::optional<ServerTime> xact_start;
  std::optional<ServerTime> query_start;
  std::optional<ServerTime> state_change;
  std::optional<std::string> wait_event_type;
  std::optional<std::string> wait_event;
  std::optional<std::string> query;  ///< only if the look requested it; may be any bytes
  std::optional<std::int64_t> query_id;
  std::optional<std::int64_t> xmin_age;  ///< of the older of backend_xid and backend_xmin, in transactions
  /// When it began to wait for a heavyweight lock, as far as we know: not earlier.
  std::optional<ServerTime> blocked_since;
  /// One of its parallel workers waits for a heavyweight lock, so the session waits too.
  bool has_waiting_worker = false;
  /// The sessions that wait for it, directly or through others; the longest waiting first.
  std::vector<std::shared_ptr<const Session>> blocks;
  /// For each of those, by pid: since when this session has not waited itself while they waited for it, as
  /// far as looks show. Empty for a session that waits.
  std::unordered_map<std::int32_t, ServerTime> free_since;
  /// The pids of the sessions that it waits for; 0: a prepared transaction.
  std::vector<std::int32_t> blockers;
  /// The name of its database (or role) is unknown: no `match` matches it by name, and every protection and
  /// exception by name may.
  bool has_nameless_database = false;
  bool has_nameless_user = false;
  bool is_superusers = false;  ///< its role is a superuser
  bool is_beyond_us = false;   ///< the server would deny us the signal
  bool is_own = false;         ///< our connection, or another pgcurfew's of the same role
};

/// The session's timestamp from which an age counts; empty for blocks_for, which depends on a rule.
std::optional<ServerTime> anchor_of(const Session& session, Clock clock);

/// The member with a field's text, or with its number; null for a field of another kind.
const std::optional<std::string>* text_of(const Session& session, Field field);
const std::optional<std::int64_t>* number_of(const Session& session, Field field);

/// The value of a field of a session, as text; empty for a NULL and for an age.
std::optional<std::string> value_of(const Session& session, Field field);

/// Names the session in messages: `pid 4711 app@orders`.
/// *Shapes*: safe to print; `?` stands for an unknown name; if both are unknown, only the pid is shown.
std::string session_text(const SessionKey& session, const std::optional<std::string>& user,
                         const std::optional<std::string>& database);
std::string session_text(const Session& session);

/// One session that waits for a heavyweight lock.
struct LockWait {
  SessionKey waiter;
  std::optional<ServerTime> since;     ///< pg_locks.waitstart, PostgreSQL 14 and later
  std::vector<std::int32_t> blockers;  ///< pg_blocking_pids; 0: a prepared transaction
  std::vector<std::string> prepared;   ///< names (gid) of those prepared transactions; may be any bytes
};

/// One look at a server.
struct Look {
  std::uint64_t number = 0;  ///< counted by the watch from 1
  ServerTime taken_at{};     ///< the server's clock after the rows were read
  Duration under_way{};      ///< how long the reply then took to reach us, as far as we know
  std::vector<Session> sessions;
  std::vector<LockWait> waits;  ///< only if the look requested them
  bool waits_failed = false;    ///< a session waits, but lock waits could not be read
  bool in_recovery = false;
  int connection_slots = 0;  ///< open to all roles; 0: not known
  /// Another pgcurfew of our role with an older connection; the oldest if there are several.
  std::optional<SessionKey> elder;
  /// The number of rows whose backend_start we may not see; no rule can judge them.
  std::size_t hidden = 0;
};

/// How a connection calls itself that only writes the events of audit: it is one of ours, and sends no
/// signals.
inline constexpr std::string_view kAuditApplicationName = "pgcurfew audit";

/// The oldest pgcurfew of our role in a look, unless our own connection is the oldest.
std::optional<SessionKey> elder_of(const Look& look, std::int32_t own_pid);

}  // namespace pgcurfew

template <>
struct std::hash<pgcurfew::SessionKey> {
  std::size_t operator()(const pgcurfew::SessionKey& key) const noexcept {
    const auto start = static_cast<std::uint64_t>(key.backend_start.time_since_epoch().count());
    return std::hash<std::uint64_t>()(start * 0x9E3779B97F4A7C15ULL ^ static_cast<std::uint32_t>(key.pid));
  }
};
