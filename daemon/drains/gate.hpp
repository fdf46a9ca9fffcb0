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

/// What is stored when a gate closes, so that any pgcurfew can open it again.
///
/// It is in the server, where the gate is; for PgBouncer's gate, and if our role may not set it there, it is
/// in the journal of gates of this machine.
struct GateMark {
  std::string drain;  ///< its name
  std::string by;     ///< the instance that closed it
  int limit = -1;     ///< datconnlimit before
  ServerTime since{};
  std::optional<ServerTime> until;  ///< empty: until `pgcurfew reopen`
  bool operator==(const GateMark&) const = default;
};

/// `limit=-1 since=... until=... by=... drain=...`, times in microseconds of PostgreSQL's epoch.
std::string to_text(const GateMark& mark);

/// *Errors*: it is not a mark of ours; a text with non-ASCII characters never is.
Result<GateMark> parse_gate_mark(std::string_view text);

/// How our role can close a gate.
enum class GateAccess {
  kNone,      ///< not at all
  kJournal,   ///< as the owner of the database; the mark goes to the journal of gates
  kMark,      ///< directly, with the mark in the server
  kFunction,  ///< through the functions of `pgcurfew setup-sql`, with the mark in the server
};
std::string_view name_of(GateAccess access);  ///< `none`, `journal`, `mark`, `function`

/// A database and the state of its gate.
struct Gate {
  std::string database;
  std::uint32_t oid = 0;  ///< of the database; 0: PgBouncer's, which goes by names
  GateKind kind =
      GateKind::kConnectionLimit;  ///< pgbouncer: from the journal; `limit` is 0 if known as closed
  std::string pgbouncer_conninfo;  ///< of PgBouncer's, never printed
  PgbouncerGate pgbouncer_gate = PgbouncerGate::kPause;
  std::vector<std::string> pools;  ///< of PgBouncer's: its own databases that were closed; empty: not known
  int limit = -1;                  ///< datconnlimit now; -2: the server calls the database invalid
  std::optional<GateMark> mark;
  std::string mark_text;    ///< as stored in the server or the journal; an opening must find it there
  bool in_journal = false;  ///< the mark is in the journal of gates
  bool is_lost = false;     ///< PgBouncer lets clients in again, or may: it was restarted, or we were
  bool is_template = false;
  bool allows_connections = true;
  GateAccess access = GateAccess::kNone;
  std::vector<std::string> prepared;  ///< names of its prepared transactions; may be any bytes
  std::vector<std::string> slots;     ///< names of its logical replication slots
  /// Pids of clients that are logging in to it and are not among its sessions yet: before PostgreSQL 18
  /// pg_stat_activity does not show them, and later it does not show their database.
  std::vector<std::string> logging_in;
};

/// A gate that pgcurfew keeps closed.
struct ClosedGate {
  std::string database;
  GateKind kind = GateKind::kConnectionLimit;
  GateMark mark;
};

/// Whether the setting for the mark has a value that is not a mark.
bool has_malformed_mark(const Gate& gate);

/// An error that reports this, with a hint.
Error malformed_mark_error(const Gate& gate);

/// The gates of a server, as read.
struct Gates {
  ServerTime taken_at{};
  std::string system_identifier;  ///< of the cluster; empty: our role may not read it
  std::string own_database;       ///< the database of our connection
  bool in_recovery = false;
  bool is_superuser = false;        ///< our role is a superuser: no gate keeps us out
  bool has_asked_logins = false;    ///< `logging_in` of the gates was read
  bool may_not_see_logins = false;  ///< our role may not read `logging_in`
  std::vector<Gate> gates;          ///< of all databases, by name; and PgBouncer's in the journal of gates
};

/// The state of a gate that was closed at PgBouncer.
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
  std::uint32_t oid = 0;  ///< of the database, which may have been renamed since; 0: identified by name
  GateKind kind = GateKind::kConnectionLimit;
  GateAccess access = GateAccess::kNone;  ///< as read
  PgbouncerGate pgbouncer_gate = PgbouncerGate::kPause;
  std::string pgbouncer_conninfo;  ///< never printed
  std::vector<TextPattern> pools;  ///< which of PgBouncer's databases, or empty
  GateMark mark;                   ///< closing: the mark to write; the journal needs `limit` as it was read
  std::string mark_text;           ///< opening: the text that must be found there
  bool in_journal = false;         ///< opening: the mark is in the journal, not in the server
  /// Opening: another client has changed the limit since, so the present limit is left alone.
  bool is_theirs = false;
};

enum class GateOutcome {
  kClosed,
  kOpened,
  kForeign,  ///< opening: another client has changed the limit: left alone, the mark is gone
  kGone,     ///< opening: the mark was gone or different: nothing was done
  kHeld,     ///< closing: another drain holds it; its mark was returned
  kDenied,   ///< our role lacks a privilege (42501)
  kFailed,   ///< any other error
  kUnknown,  ///< no reply
};
std::string_view name_of(GateOutcome outcome);

struct GateReply {
  std::string id;
  GateOutcome outcome = GateOutcome::kUnknown;
  std::optional<GateMark> mark;  ///< closing: the mark as it is now
  std::string mark_text;
  bool in_journal = false;
  int limit = -1;                  ///< the limit now
  std::vector<std::string> pools;  ///< PgBouncer's databases that were turned
  Error error;                     ///< for kDenied, kFailed, kUnknown
};

}  // namespace pgcurfew
