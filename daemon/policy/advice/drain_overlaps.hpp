#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "policy/diagnostic.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The database of our own connection, by the server's name; only if conninfo names one.
using OwnDatabases = std::map<std::string, std::string>;

/// Drains that would empty one database of one server at the same time within the year from `from` on.
///
/// A wildcard matches the databases that Drain::databases describes; two wildcards are assumed to match a
/// common database if either matches the other's text. For a drain that runs more than once an hour, the
/// first 10,000 windows are checked.
/// *Shapes*: one error for each two drains, at the later one's place, without the text of the line; 20 at
/// most.
/// *Errors*: none of its own.
std::vector<Diagnostic> find_overlaps(const Policy& policy, ServerTime from, const OwnDatabases& own = {});

}  // namespace pgcurfew
