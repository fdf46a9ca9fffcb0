#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// What is written down when a gate closes, so that anybody can give the database back.
///
/// It lives in the server, where the gate is; with PgBouncer's gate and where our role may not set it there,
/// in the journal of this machine.
struct GateMark {
  std::string drain;  ///< its name
  std::string by;     ///< which instance closed it
  int limit = -1;     ///< datconnlimit before
  ServerTime since{};
  std::optional<ServerTime> until;  ///< nothing: until somebody says `reopen`
  bool operator==(const GateMark&) const = default;
};

/// `limit=-1 since=... until=... by=... drain=...`, times in microseconds of PostgreSQL's epoch.
std::string to_text(const GateMark& mark);

/// *Errors*: it is no mark of ours; one whose letters are not all of ASCII never is.
Result<GateMark> parse_gate_mark(std::string_view text);

/// How a gate can be closed with what our role may do.
enum class GateAccess {
  kNone,      ///< not at all
  kJournal,   ///< as the owner of the database; what was before goes to the journal
  kMark,      ///< directly, with the mark in the server
  kFunction,  ///< through the functions of `pgcurfew setup-sql`, with the mark in the server
};
std::string_view name_of(GateAccess access);  ///< `none`, `journal`, `mark`, `function`

/// A database as far as its gate goes.
struct Gate {
  std::string database;
  std::uint32_t oid = 0;  ///< of the database; 0: PgBouncer's, which goes by names
  GateKind kind =
      GateKind::kConnectionLimit;  ///< pgbouncer: of the journal; `limit` is 0 as far as we know it closed
  std::string pgbouncer_conninfo;  ///< of PgBouncer's, never printed
  PgbouncerGate pgbouncer_gate = PgbouncerGate::kPause;
  std::vector<std::string> pools;  ///< of PgBouncer's: its own databases that were closed; empty: not known
  int limit = -1;                  ///< datconnlimit now; -2: the server calls the database invalid
  std::optional<GateMark> mark;
  std::string mark_text;    ///< as it stands in the server or the journal; what an opening has to find there
  bool in_journal = false;  ///< the mark does
  bool is_lost = false;     ///< PgBouncer's: it lets clients in again, or may: it was restarted, or we were
  bool is_template = false;
  bool allows_connections = true;
  GateAccess access = GateAccess::kNone;
  std::vector<std::string> prepared;  ///< names of its prepared transactions; strangers' bytes
  std::vector<std::string> slots;     ///< names of its logical replication slots
  /// Pids of those who log in to it and are not among its sessions yet: before PostgreSQL 18
  /// pg_stat_activity shows nobody who logs in, and later it does not say to which database.
  std::vector<std::string> logging_in;
};

/// Whether something stands in place of the mark that is none.
bool has_malformed_mark(const Gate& gate);

/// As an error that says so, with what to do about it.
Error malformed_mark_error(const Gate& gate);

/// What was found at a server's gates.
struct Gates {
  ServerTime taken_at{};
  std::string system_identifier;  ///< of the cluster; empty: the server does not tell our role
  std::string own_database;       ///< that our connection is in
  bool in_recovery = false;
  bool is_superuser = false;        ///< we are: no gate keeps us out
  bool has_asked_logins = false;    ///< `logging_in` of the gates says something,
  bool may_not_see_logins = false;  ///< or would, but the server does not tell our role
  std::vector<Gate> gates;  ///< of all databases, by name; and those of PgBouncer that the journal knows
};

/// How a gate at PgBouncer stands that was closed.
enum class PgbouncerState {
  kUnknown,  ///< it did not answer
  kClosed,
  kOpened,  ///< by another client: the process that showed it as closed shows it as open
  kLost,    ///< open, and not closed by this process: PgBouncer was restarted
};

/// One gate to close or to open.
struct GateOrder {
  std::string id;  ///< joins order and reply
  bool closes = true;
  std::string database;
  std::uint32_t oid =
      0;  ///< of the database, which may have been renamed since; 0: it goes by its name alone
  GateKind kind = GateKind::kConnectionLimit;
  GateAccess access = GateAccess::kNone;  ///< as it was found
  PgbouncerGate pgbouncer_gate = PgbouncerGate::kPause;
  std::string pgbouncer_conninfo;  ///< never printed
  std::vector<TextPattern> pools;  ///< which of PgBouncer's databases, or empty
  GateMark mark;            ///< closing: to be written; `limit` as it was read, which the journal goes by
  std::string mark_text;    ///< opening: what must be found there
  bool in_journal = false;  ///< opening: the mark stands there, not in the server
  /// Opening: somebody else was seen to have changed the limit since, and what it is now is theirs.
  bool is_theirs = false;
};

enum class GateOutcome {
  kClosed,
  kOpened,
  kForeign,  ///< opening: somebody else has changed the limit since: left alone, the mark is gone
  kGone,     ///< opening: the mark was gone or another: nothing was done
  kHeld,     ///< closing: another drain holds it; its mark came back
  kDenied,   ///< we lack the right (42501)
  kFailed,   ///< any other error
  kUnknown,  ///< no reply
};
std::string_view name_of(GateOutcome outcome);

struct GateReply {
  std::string id;
  GateOutcome outcome = GateOutcome::kUnknown;
  std::optional<GateMark> mark;  ///< closing: as it stands there now
  std::string mark_text;
  bool in_journal = false;
  int limit = -1;                  ///< as it is now
  std::vector<std::string> pools;  ///< those of PgBouncer's databases that were turned
  Error error;                     ///< for kDenied, kFailed, kUnknown
};

}  // namespace pgcurfew
