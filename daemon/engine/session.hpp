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

/// Who a session is: pids come back, the pair does not.
struct SessionKey {
  std::int32_t pid = 0;
  ServerTime backend_start{};
  auto operator<=>(const SessionKey&) const = default;
};

/// One row of pg_stat_activity. An empty optional is a NULL.
struct Session {
  SessionKey key;
  std::optional<std::string> database;  ///< also empty where the name could not be resolved
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
  std::optional<std::string> query;  ///< only if the look was asked for it; a stranger's bytes
  std::optional<std::int64_t> query_id;
  std::optional<std::int64_t> xmin_age;  ///< of the older of backend_xid and backend_xmin, in transactions
  /// Since when it waits for a heavyweight lock, as well as we know: not before that.
  std::optional<ServerTime> blocked_since;
  /// One of its parallel workers waits for a heavyweight lock, and so it does.
  bool has_waiting_worker = false;
  /// Who waits for it, directly or through others; the longest waiting first.
  std::vector<std::shared_ptr<const Session>> blocks;
  /// Of those, by pid: since when it has not waited itself while they waited for it, as far as looks show. Of
  /// a session that waits nothing.
  std::unordered_map<std::int32_t, ServerTime> free_since;
  /// Of those whom it waits for, the pids; 0: a prepared transaction.
  std::vector<std::int32_t> blockers;
  /// It has a database (or a role) whose name we do not know: no `match` fits it by name, and every
  /// protection and exception by name may.
  bool has_nameless_database = false;
  bool has_nameless_user = false;
  bool is_superusers = false;  ///< its role is a superuser
  bool is_beyond_us = false;   ///< the server would not let us signal it: a superuser's, or we lack the right
  bool is_own = false;         ///< our connection, or another pgcurfew's of the same role
};

/// The timestamp of the session itself that an age counts from; of blocks_for, which takes a rule to tell,
/// nothing.
std::optional<ServerTime> anchor_of(const Session& session, Clock clock);

/// What a session has in a field that holds a value, as text; nothing for a NULL and for an age.
std::optional<std::string> value_of(const Session& session, Field field);

/// Which session it is, for people: `pid 4711 app@orders`. *Shapes*: safe to print; `?` stands for a name
/// that is not known, and without any there is the pid alone.
std::string session_text(const SessionKey& session, const std::optional<std::string>& user,
                         const std::optional<std::string>& database);
std::string session_text(const Session& session);

/// One session that waits for a heavyweight lock.
struct LockWait {
  SessionKey waiter;
  std::optional<ServerTime> since;     ///< pg_locks.waitstart, PostgreSQL 14 and later
  std::vector<std::int32_t> blockers;  ///< pg_blocking_pids; 0: a prepared transaction
  std::vector<std::string> prepared;   ///< the names (gid) of those prepared transactions; a stranger's bytes
};

/// One look at a server.
struct Look {
  std::uint64_t number = 0;  ///< of the look that brought it, counted by the watch from 1
  ServerTime taken_at{};     ///< the server's clock after the rows were made
  Duration under_way{};      ///< how long it took from then to us, as well as we know
  std::vector<Session> sessions;
  std::vector<LockWait> waits;  ///< only if the look was asked for them
  bool waits_failed = false;    ///< somebody waits, and the server did not tell for whom
  bool in_recovery = false;
  int connection_slots = 0;  ///< open to all roles; 0: not known
  /// Another pgcurfew of our role whose connection is older than ours, the oldest if there are several.
  std::optional<SessionKey> elder;
  /// Rows whose backend_start we may not see; no rule can judge them.
  std::size_t hidden = 0;
};

/// Of the pgcurfews of our role in a look, the oldest, if our own connection is not that.
std::optional<SessionKey> elder_of(const Look& look, std::int32_t own_pid);

}  // namespace pgcurfew

template <>
struct std::hash<pgcurfew::SessionKey> {
  std::size_t operator()(const pgcurfew::SessionKey& key) const noexcept {
    const auto start = static_cast<std::uint64_t>(key.backend_start.time_since_epoch().count());
    return std::hash<std::uint64_t>()(start * 0x9E3779B97F4A7C15ULL ^ static_cast<std::uint32_t>(key.pid));
  }
};
