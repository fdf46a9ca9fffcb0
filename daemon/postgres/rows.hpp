#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.hpp"
#include "engine/order.hpp"
#include "engine/session.hpp"
#include "watch/server_facts.hpp"

// libpq's own names, so that its header need not be included by ours
struct pg_result;
using PGresult = pg_result;

namespace pgcurfew {

struct Name {
  std::string name;
  std::string description;    ///< of a database, by pg_describe_object
  bool is_superuser = false;  ///< of a role
  bool is_ours = false;       ///< of a role: we have its rights, and so may signal its sessions
};
/// By oid; an oid that is not in it has no name that a rule could match.
using Names = std::unordered_map<std::uint32_t, Name>;

/// What the server's rows are resolved with.
struct NameCache {
  Names databases;
  Names roles;
  /// Oids that a refresh did not find either: of a role that was dropped under its sessions.
  std::unordered_set<std::uint32_t> nameless;
};

/// Reading a result's binary columns. Every reader checks the length that it finds.
/// *Errors*: a column of another shape than the statement promises.
Result<ServerTime> read_time(const PGresult* result, int row, int column);

/// The look's rows. `unknown`: oids of databases and roles that the cache does not have.
struct LookRows {
  Look look;
  std::unordered_set<std::uint32_t> unknown;
};
Result<LookRows> read_look(const PGresult* result, const NameCache& names, const ServerFacts& facts);

/// Lock waits, from the result of statement::waits, without sessions that no longer wait.
Result<std::vector<LockWait>> read_waits(const PGresult* result);

Result<ServerFacts> read_facts(const PGresult* result, int server_version);
Result<Names> read_database_names(const PGresult* result);
Result<Names> read_role_names(const PGresult* result);

/// The reply to a guarded statement that went well.
Result<Reply> read_verdict(const PGresult* result);

/// Whether the statement went well.
bool is_good(const PGresult* result);

/// The server's or libpq's error of a failed result.
Error error_of(const PGresult* result);

}  // namespace pgcurfew
