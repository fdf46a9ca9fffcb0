#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "policy/diagnostic.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The database that our own connection is in, by the server's name; only where conninfo names one.
using OwnDatabases = std::map<std::string, std::string>;

/// Drains that would empty one database of one server at the same time within the year from `from` on.
///
/// A wildcard takes in what Drain::databases says; of two wildcards it is assumed that there is a database
/// for both if either fits the other's text. Of a drain that comes more than once an hour the first 10,000
/// times are looked at. *Shapes*: one error for each two drains, at the later one's place, without the text
/// of the line; 20 at most. *Errors*: none of its own.
std::vector<Diagnostic> find_overlaps(const Policy& policy, ServerTime from, const OwnDatabases& own = {});

}  // namespace pgcurfew
