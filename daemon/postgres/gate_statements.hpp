#pragma once

#include <string>

namespace pgcurfew::statement {

/// The statements that read and turn the gates of databases. Nothing else in pgcurfew writes to a server.
///
/// A gate is turned in one transaction. Its first statement makes it read-write (our sessions are read-only);
/// then follow the arguments, as settings of the transaction, the block, and its result. The text of a
/// statement never contains a name or a value: the block quotes them with format().
/// *Source*: tested against real servers in tests/integration/gates_test.py.

/// One row per database, in binary: server time, our own database, in recovery, system identifier (text),
/// name, oid, datconnlimit, the text of the mark, is a template, allows connections, access (GateAccess as a
/// number), gids of prepared transactions (text[]), names of logical slots (text[]), pids of backends that
/// are logging in (text[]). Waits for a lock no longer than lock_timeout. `tells_cluster`: our role may read
/// the system identifier, as every role may by default; otherwise it is NULL. `tells_logins`: also reads
/// pg_locks, which blocks the lock manager for a moment (6 ms with 9,000 locks); otherwise the last column is
/// empty.
std::string gates(int server_version, bool tells_cluster, bool tells_logins);

/// Must be the first statement of its transaction.
std::string begin_turn();

/// How long a turn waits for a lock: longer than a look may, because another turn of the same gate is over
/// soon.
inline constexpr const char* kTurnLockTimeout = "100ms";

/// The arguments of the block: database (its bytes in hexadecimal digits), its oid (empty: the name alone
/// decides), drain, by, since, until (`reopen` for none), expected limit (empty: the mark goes to the
/// server).
/// *Units*: microseconds since 2000.
std::string closing_arguments();
std::string closing_block();

/// Database and oid as above (an oid is enough), the text of the mark, whether the mark is in the journal,
/// and whether another client has changed the limit since (both `t` or `f`).
std::string opening_arguments();
std::string opening_block();

/// One row, in text: outcome (`closed`, `held`, `changed`; `opened`, `foreign`, `gone`), the mark on the
/// server now, datconnlimit now. `changed`: the limit is not the one that the journal expects; nothing was
/// done.
std::string turn_result();

/// The same through the functions of setup_sql(): as above, but without the arguments for the journal.
std::string function_arguments();  ///< only lock_timeout
std::string call_close_gate();
std::string call_open_gate();

/// The parts of both blocks, which the functions of setup_sql() share: PL/pgSQL that reads variables
/// `arg_...` and sets `outcome`, `mark` and `connection_limit`. `is_database`: the condition that selects the
/// row `d` of pg_database.
std::string gate_declarations();
std::string closing_body(const std::string& is_database);
std::string opening_body(const std::string& is_database);

}  // namespace pgcurfew::statement
