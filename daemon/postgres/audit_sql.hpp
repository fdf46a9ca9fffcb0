#pragma once

#include <string>

#include "base/result.hpp"

namespace pgcurfew {

namespace statement {

/// Adds events to the table of audit, except those that are there. $1: a JSON array of lines of the record.
std::string insert_events();

/// The name of a role that must not own what is in the table's schema, and does; NULL: there is none; empty:
/// there is no table.
std::string untrusted_owner();

}  // namespace statement

/// The script that creates the table of audit, with a role that can only add to it, and a view in which each
/// role sees what was done to its own sessions. It can be run again.
/// *Errors*: a name that PostgreSQL would cut or refuse.
Result<std::string> audit_setup_sql(const std::string& role);

}  // namespace pgcurfew
