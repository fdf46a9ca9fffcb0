#pragma once

#include "base/time.hpp"
#include "policy/reader/load.hpp"

namespace pgcurfew {

/// Checks the drains of a policy without other errors for mistakes that only libpq or a clock can show. Adds
/// to `loaded`, and removes its policy if there is an error.
/// *Errors*: a conninfo of PgBouncer that libpq cannot parse, drains that overlap within a year from `now`.
/// *Warnings*: a drain that closes the gate of the database of our own connection.
void check_plans(LoadResult& loaded, ServerTime now);

}  // namespace pgcurfew
