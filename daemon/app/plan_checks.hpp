#pragma once

#include "base/time.hpp"
#include "policy/reader/load.hpp"

namespace pgcurfew {

/// What is wrong with the drains of a policy that is free of errors otherwise, as far as libpq or a clock is
/// needed to see it. Adds to `loaded`, and takes its policy away if there is an error.
/// *Errors*: a conninfo of PgBouncer that libpq cannot parse, drains that overlap within a year from `now`.
/// *Warnings*: a drain that closes the connection limit of the database that our own connection is in.
void check_plans(LoadResult& loaded, ServerTime now);

}  // namespace pgcurfew
