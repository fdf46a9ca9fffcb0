#pragma once

#include <string>

#include "base/result.hpp"

namespace pgcurfew {

/// Why libpq cannot parse a connection string. The message quotes only libpq's keywords and words that
/// resemble one: any other word may be part of a password. *Source*: libpq's conninfo_parse() and
/// conninfo_uri_parse_options().
Error why_refused(const std::string& conninfo);

/// Checks for a mistake that libpq does not report.
/// *Errors*: a URI whose password contains an @ or a / that is not percent-encoded, so that the rest of the
/// password would be read as a host or a database.
Result<void> check_uri(const std::string& conninfo);

}  // namespace pgcurfew
