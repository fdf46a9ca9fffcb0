#pragma once

#include <string>

#include "base/result.hpp"

namespace pgcurfew {

/// Why libpq cannot parse a connection string, said with libpq's keywords alone: any other word of it may be
/// a part of a password. A word that is all but a keyword is named. *Source*: libpq's conninfo_parse() and
/// conninfo_uri_parse_options().
Error why_refused(const std::string& conninfo);

/// What libpq would take and its writer hardly meant: a URI whose password holds an @ or a / that is not
/// percent-encoded, so that the rest of it would be read as a host or a database.
/// *Errors*: just that.
Result<void> check_uri(const std::string& conninfo);

}  // namespace pgcurfew
