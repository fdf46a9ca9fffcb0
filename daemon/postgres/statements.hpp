#pragma once

#include <string>

#include "engine/order.hpp"

namespace pgcurfew::statement {

/// Every statement that pgcurfew runs on a server, and nothing else. All are single statements, each its own
/// transaction, with parameters for every value that is not ours.
/// *Source*: what they rest on is tried against real servers in tests/integration/facts_test.py.

/// Settings of our session: pinned names, own bounds, read-only.
std::string settings(int server_version);

/// One row, in text: backend pid, postmaster start (microseconds since 2000), in recovery, role, may read all
/// statistics, may signal.
std::string facts();

/// oid, name, and the name as pg_describe_object tells it (databases) or whether it is a superuser (roles);
/// waits for a lock no longer than lock_timeout.
std::string database_names();
std::string role_names();

/// One row a backend, in binary; $1 boolean: with the texts of the queries.
/// The function below pg_stat_activity, not the view: that one waits for locks on pg_authid and pg_database.
std::string look(int server_version);

/// The server's time, in binary.
std::string pulse();

/// One guarded signal: re-checks $1 to $16 and only then acts. At most one row: server time, verdict, state,
/// wait_event_type, wait_event, query.
///
/// Two stages, for the time between reading a backend's status and kill() is the time in which an innocent
/// successor can be hit: the first checks everything, then the snapshot is dropped and the second reads pid,
/// backend_start, query_start and the presence of xact_start anew by the single-value functions, which is the
/// shortest way from the status array to the signal.
std::string guard(int server_version, Action action);

/// The names under which they are prepared.
inline constexpr const char* kLook = "look";
inline constexpr const char* kPulse = "pulse";
const char* guard_name(Action action);

/// Bits of the guard's $6: which of the values that follow are checked.
enum Check : int {
  kCheckXactStart = 1,
  kCheckQueryStart = 2,
  kCheckStateChange = 4,
  kCheckState = 8,
  kCheckWaitEventType = 16,
  kCheckWaitEvent = 32,
  kCheckApplicationName = 64,
  kCheckQueryId = 128,
  kCheckDatabase =
      256,  ///< by pg_describe_object: the one way to a name that no lock on pg_database can hold up
  kCheckUser = 512,
};

}  // namespace pgcurfew::statement
