#pragma once

#include <string>

namespace pgcurfew::statement {

/// What is asked and done at the gates of databases: the one place where pgcurfew writes to a server.
///
/// A gate is turned in one transaction: the first statement makes it read-write (our sessions are read-only),
/// then come the arguments, as settings of the transaction, then the block, then its result. No name and no
/// value ever stands in the text of a statement: the block quotes them with format().
/// *Source*: what they rest on is tried against real servers in tests/integration/gates_test.py.

/// One row a database, in binary: server time, our own database, in recovery, system identifier (text),
/// name, oid, datconnlimit, the text of the mark, is a template, allows connections, access (GateAccess as a
/// number), gids of prepared transactions (text[]), names of logical slots (text[]), pids of those who log in
/// (text[]). Waits for a lock no longer than lock_timeout. `tells_cluster`: our role may ask for the system
/// identifier, as everybody may by default; else it is NULL. `tells_logins`: also reads pg_locks, which holds
/// up the lock manager for a moment (6 ms with 9,000 locks); else nobody logs in.
std::string gates(int server_version, bool tells_cluster, bool tells_logins);

/// Has to be the first of its transaction.
std::string begin_turn();

/// How long a turn waits for a lock: longer than a look may, for another turn of the same gate is over soon.
inline constexpr const char* kTurnLockTimeout = "100ms";

/// The arguments of the block: database (its bytes in hexadecimal digits), its oid (empty: by its name
/// alone), drain, by, since, until (`reopen` for none), expected limit (empty: the mark goes to the server).
/// *Units*: microseconds since 2000.
std::string closing_arguments();
std::string closing_block();

/// Database and oid as above (an oid is enough), the text of the mark, and whether that stands in the journal
/// (`t` or `f`).
std::string opening_arguments();
std::string opening_block();

/// One row, in text: outcome (`closed`, `held`, `changed`; `opened`, `foreign`, `gone`), the mark as it
/// stands there now, datconnlimit now. `changed`: the limit is another than the journal expects; nothing was
/// done.
std::string turn_result();

/// The same through the functions of setup_sql(): as above, but without what is about the journal.
std::string function_arguments();  ///< none but the lock's time-out
std::string call_close_gate();
std::string call_open_gate();

/// What both blocks are made of, for the functions to be the same: PL/pgSQL that reads variables `arg_...`
/// and sets `outcome`, `mark` and `connection_limit`. `is_database`: the condition on `d.datname`.
std::string gate_declarations();
std::string closing_body(const std::string& is_database);
std::string opening_body(const std::string& is_database);

}  // namespace pgcurfew::statement
