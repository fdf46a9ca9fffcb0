#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/pattern.hpp"
#include "base/result.hpp"
#include "drains/gate.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The databases that one of a drain's patterns matches; a wildcard leaves out the templates, `postgres` and
/// the database of our own connection.
/// *Shapes*: in the order of `gates`, which they point into; never a gate of PgBouncer.
std::vector<const Gate*> databases_of(const TextPattern& pattern, const Gates& gates);

/// Why the gate of a database could not be closed for a drain now; empty if it could.
/// *Errors*: with SQLSTATE 42501 if our role lacks a privilege, 25006 on a standby.
std::optional<Error> obstacle_to(const Drain& plan, const Gate& gate, const Gates& gates);

/// Whether an exception of the drain spares a session.
bool is_excepted(const Drain& plan, const Session& session);

/// Why a drain will not end a session that no exception spares; empty if it will.
/// *Shapes*: `protected: dumps`, `protected`, `waits for synchronous replication`.
std::string why_protected(const Policy& policy, const Session& session);

/// The sessions that a drain would find in a database.
struct Occupants {
  static constexpr std::string_view kNoRight = "pg_signal_backend is missing";
  struct Stays {
    const Session* session;  ///< points into the look
    std::string reason;      ///< as why_protected(), or `superuser`, kNoRight
  };
  std::size_t sessions = 0;  ///< of clients, without our own and those that match `except`
  std::size_t exempt = 0;    ///< sessions that match `except`
  std::vector<Stays> stay;   ///< those of `sessions` that no step would end
};

Occupants occupants_of(const Drain& plan, const Policy& policy, const Look& look,
                       const std::string& database);

}  // namespace pgcurfew
