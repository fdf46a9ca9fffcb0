#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/time.hpp"
#include "policy/field.hpp"

namespace pgcurfew::simulation {

/// A timestamp of a backend, as the server's clock showed it and without the clock's steps.
struct Stamp {
  ServerTime shown{};
  Duration steady{};         ///< the server's clock without its steps
  std::uint64_t serial = 0;  ///< differs between any two stamps of one world
};

/// What a client does with its session.
enum class Habit {
  kAutocommit,    ///< one statement at a time
  kTransactions,  ///< BEGIN, statements, COMMIT; sometimes an error before it
  kExtended,      ///< Parse, Bind, Execute, each of which moves query_start; Sync sometimes late
  kPipeline,      ///< Executes in a row without a pause
  kProcedure,     ///< one statement that commits within
  kPortal,        ///< a cursor fetched in pieces
  kRenaming,      ///< changes its application_name between statements, and just before a signal
  kUntracked,     ///< track_activities is off
  kFlapping,      ///< another application_name each time that it is read
  kBusy,          ///< another statement of its transaction each time that it is read
  kHerd,          ///< begins with all others of its kind, and ends just before a limit
  kReplay,        ///< the startup process of a standby: its locks are those of the primary
  kSystem,        ///< not a client: does nothing
};

/// How a session reacts to signals.
enum class Temper {
  kProper,
  kSwallowsCancel,  ///< catches query_canceled
  kDeafToCancel,    ///< waits for its client within a statement
  kFrozen,          ///< reacts to nothing until it thaws
};

/// One backend of the model's server, with what pg_stat_activity shows and what it does not.
struct Backend {
  std::uint64_t birth = 0;  ///< differs between any two backends of one world
  std::int32_t pid = 0;
  Stamp start;
  std::string database;  ///< empty: NULL
  std::string user;
  std::string application_name;
  std::optional<Address> client_addr;
  bool is_local = false;
  std::string backend_type;
  std::optional<std::int32_t> leader_pid;
  std::optional<State> state;
  std::optional<Stamp> xact_start;
  std::optional<Stamp> query_start;
  std::optional<Stamp> state_change;
  std::optional<std::string> wait_event_type;
  std::optional<std::string> wait_event;
  std::string query;
  std::optional<std::int64_t> query_id;
  std::optional<std::int64_t> xid;   ///< backend_xid, as a number that only grows
  std::optional<std::int64_t> xmin;  ///< backend_xmin

  std::optional<Stamp> lock_wait;        ///< the beginning of its present wait for a heavyweight lock
  std::optional<Stamp> first_wait;       ///< the beginning of the first such wait in its statement
  std::optional<Duration> waited_until;  ///< when its last wait ended, steady
  std::vector<std::int32_t> blockers;    ///< pg_blocking_pids
  /// The sessions that wait for it, directly or through others, by birth, and the beginning of each unbroken
  /// wait.
  std::map<std::uint64_t, Stamp> holds_up;

  bool is_ours = false;  ///< the session of a pgcurfew
  bool is_superuser = false;
  Habit habit = Habit::kAutocommit;
  std::uint64_t times_read = 0;  ///< for a session that changes whenever it is read
  Temper temper = Temper::kProper;
  Duration latency{};           ///< from a signal to its effect
  bool in_block = false;        ///< between BEGIN and COMMIT
  bool has_savepoint = false;   ///< a failed statement does not free its locks
  bool keeps_snapshot = false;  ///< repeatable read
  int statements_left = 0;      ///< in this block, pipeline, portal
  bool is_doomed = false;       ///< a terminate signal is in flight
  bool is_cancel_pending = false;
  std::uint64_t script = 0;  ///< invalidates the client's planned actions
  ServerTime appeared{};     ///< when others began to see it
  Duration facts_changed{};  ///< true time of the last change to anything shown
};

/// A session that is logging in and is not visible yet.
struct Arrival {
  std::string database;
  bool is_superuser = false;
  bool is_refused = false;  ///< and never will be
  Duration since{};         ///< true time
  bool is_direct = true;    ///< connects without PgBouncer
};

}  // namespace pgcurfew::simulation
