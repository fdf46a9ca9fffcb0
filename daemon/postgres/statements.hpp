#pragma once

#include <string>
#include <vector>

#include "engine/order.hpp"

namespace pgcurfew::statement {

/// Every statement that pgcurfew runs on a server, and nothing else. All are single statements, each its own
/// transaction, with parameters for every value that is not ours.
/// *Source*: what they rest on is tried against real servers in tests/integration/facts_test.py.

/// Settings of our session, each a statement without a snapshot: the role that logged in, pinned names, own
/// bounds, read-only; and each setting of the server, the database or the role that could stop a look, delay
/// it, or change its result.
std::vector<std::string> settings(int server_version);

/// One row, in text: backend pid, postmaster start (microseconds since 2000), in recovery, the role that
/// logged in, and whether it may read all statistics, may signal all sessions, may signal the sessions of at
/// least one other role, is a superuser; connection slots that are not reserved.
std::string facts();

/// oid, name, and the name as pg_describe_object tells it (databases) or whether it is a superuser and
/// whether we have its rights (roles); waits for a lock no longer than lock_timeout.
std::string database_names();
std::string role_names();

/// One row per backend, in binary, with the columns of look_columns(). $1 (int4) says of which sessions it
/// includes the query's text: none (0), active ones (1), all (2). It reads the function below
/// pg_stat_activity, not the view, which waits for locks on pg_authid and pg_database.
std::string look(int server_version);

/// The blockers of the backends in $1 (int4[], those that probably wait longest first), in binary: pid,
/// backend_start, waitstart (14 and later, else null), blockers (int4[]; 0 for a prepared transaction), gids
/// of the prepared transactions (text[]). Both lists may contain duplicates. At most kMostWaiters rows, those
/// that wait longest.
///
/// pg_blocking_pids locks every partition of the lock table for a moment: never call it for backends that do
/// not wait. It does not cover the startup process, which replays on a standby; the blockers of that process
/// are the holders of what it waits for, which is always an AccessExclusiveLock. A prepared transaction's
/// locks have no pid, and the virtual transaction of the session that prepared it (after a restart, -1/xid):
/// the lock on its own transaction id identifies it. *Source*: PostgreSQL's lockfuncs.c, lock.c
/// (GetBlockerStatusData), twophase.c (MarkAsPreparingGuts).
std::string waits(int server_version);

/// The server's time, in binary.
std::string pulse();

/// One guarded signal: re-checks its parameters and only then acts. At most one row: server time, verdict,
/// state, wait_event_type, wait_event, query. $1 to $6 are the session's, those of guard_facts() follow;
/// `with_edges` adds four arrays of the same length, with one element for each session that must still wait
/// for it. That is a separate statement, because even an arm that is not taken costs time to set up.
///
/// It has two stages, because an innocent successor can be hit in the time between reading a backend's status
/// and kill(). The first stage checks everything. Then the snapshot is dropped, and the second stage reads
/// pid, backend_start, and query_start and xact_start if the guard checks them, again by the single-value
/// functions, which is the shortest way from the status array to the signal.
std::string guard(int server_version, Action action, bool with_edges);

/// The two halves of a line in the server's own log, for one transaction: the first sets the line ($1, text)
/// and short timeouts until its end, the second writes it, unless it is empty. The second cannot be prepared,
/// and so has to read catalogs. *Errors*: what prevents it, such as a server that logs nothing of this level.
std::string server_log_line();
std::string server_log();

/// The names under which they are prepared.
inline constexpr const char* kLook = "look";
inline constexpr const char* kWaits = "waits";
inline constexpr const char* kPulse = "pulse";
inline constexpr const char* kServerLogLine = "server_log_line";
const char* guard_name(Action action, bool with_edges);

}  // namespace pgcurfew::statement
