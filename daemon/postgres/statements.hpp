#pragma once

#include <string>
#include <vector>

#include "engine/order.hpp"

namespace pgcurfew::statement {

/// Every statement that pgcurfew runs on a server, and nothing else. All are single statements, each its own
/// transaction, with parameters for every value that is not ours.
/// *Source*: what they rest on is tried against real servers in tests/integration/facts_test.py.

/// Settings of our session, each a statement without a snapshot: the role that logged in, pinned names, own
/// bounds, read-only; and whatever of those that a server, a database or a role may carry could stop a look,
/// delay it, or change what it says.
std::vector<std::string> settings(int server_version);

/// One row, in text: backend pid, postmaster start (microseconds since 2000), in recovery, the role that
/// logged in, and whether it may read all statistics, may signal everybody, may signal the sessions of one
/// other role at least, is a superuser; connection slots that are not reserved.
std::string facts();

/// oid, name, and the name as pg_describe_object tells it (databases) or whether it is a superuser and
/// whether we have its rights (roles); waits for a lock no longer than lock_timeout.
std::string database_names();
std::string role_names();

/// One row a backend, in binary; $1 int4: the texts of no query (0), of active sessions (1), of all (2); each
/// as its first kMostOfAText bytes. The function below pg_stat_activity, not the view: that one waits for
/// locks on pg_authid and pg_database.
std::string look(int server_version);

/// Whom the backends in $1 (int4[], the likely longest waiting first) wait for, in binary: pid,
/// backend_start, waitstart (14 and later, else null), blockers (int4[]; 0 for a prepared transaction), gids
/// of the prepared transactions (text[]). Both lists may repeat themselves. At most kMostWaiters rows, the
/// longest waiting.
///
/// pg_blocking_pids takes every partition of the lock table for a moment: never ask it about backends that do
/// not wait. It tells nothing of the startup process, the one that replays on a standby; that one's blockers
/// are the holders of what it waits for, which is an AccessExclusiveLock always. A prepared transaction's
/// locks have no pid, and the virtual transaction of the session that prepared it (after a restart, -1/xid):
/// it is told by the lock on its own transaction id. *Source*: PostgreSQL's lockfuncs.c, lock.c
/// (GetBlockerStatusData), twophase.c (MarkAsPreparingGuts).
std::string waits(int server_version);

/// The server's time, in binary.
std::string pulse();

/// One guarded signal: re-checks its parameters and only then acts. At most one row: server time, verdict,
/// state, wait_event_type, wait_event, query. $1 to $6 are the session's, those of guard_facts() follow;
/// `with_edges` there are four more, arrays of one length, a row for everybody who has to wait for it still.
/// That is a statement of its own, for even an arm that is not taken costs time to set up.
///
/// Two stages, for the time between reading a backend's status and kill() is the time in which an innocent
/// successor can be hit: the first checks everything, then the snapshot is dropped and the second reads pid,
/// backend_start, and what the guard holds of query_start and xact_start anew by the single-value functions,
/// which is the shortest way from the status array to the signal.
std::string guard(int server_version, Action action, bool with_edges);

/// The names under which they are prepared.
inline constexpr const char* kLook = "look";
inline constexpr const char* kWaits = "waits";
inline constexpr const char* kPulse = "pulse";
const char* guard_name(Action action, bool with_edges);

}  // namespace pgcurfew::statement
