#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "policy/policy.hpp"
#include "policy/reader/load.hpp"
#include "report/log.hpp"

namespace pgcurfew {

/// Prints the error on standard error; returns `code`.
int complain(const Error& error, int code);

/// Prints only the errors: warnings concern the rules and drains of the files, which a command by hand does
/// not run.
void complain_of_errors(const LoadResult& loaded);

/// Options for the log of a command by hand: short lines on a terminal.
LogOptions log_options_by_hand(const Policy& policy);

/// The servers that a command applies to: the one with this name, or all if it is empty.
/// *Errors*: there is no server with this name; `only_one`, and there are several.
Result<std::vector<Server>> choose_servers(const Policy& policy, const std::string& name, bool only_one);

}  // namespace pgcurfew
