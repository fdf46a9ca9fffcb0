#pragma once

#include <optional>
#include <vector>

#include "base/pattern.hpp"
#include "base/result.hpp"
#include "engine/gate.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The databases that one of a drain's patterns takes in; a wildcard leaves out the templates, `postgres` and
/// the one that our own connection is in.
/// *Shapes*: in the order of `gates`, which they point into; never a gate of PgBouncer's.
std::vector<const Gate*> databases_of(const TextPattern& pattern, const Gates& gates);

/// Why the gate of a database could not be closed for a drain as things stand; nothing if it could.
/// *Errors*: with SQLSTATE 42501 where our role lacks a right, 25006 on a standby.
std::optional<Error> obstacle_to(const Drain& plan, const Gate& gate, const Gates& gates);

}  // namespace pgcurfew
