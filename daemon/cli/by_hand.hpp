#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "policy/policy.hpp"
#include "policy/reader/load.hpp"
#include "report/log.hpp"

namespace pgcurfew {

/// Says on standard error what is wrong; gives back `code`.
int complain(const Error& error, int code);

/// Warnings are about what the files' own rules and drains do, and by hand none of them runs.
void complain_of_errors(const LoadResult& loaded);

/// The log of a command by hand: in short lines on a terminal.
LogOptions log_options_by_hand(const Policy& policy);

/// The servers that a command is for: the one of that name, or all.
/// *Errors*: there is none of that name; there are several, and it has to be one.
Result<std::vector<Server>> choose_servers(const Policy& policy, const std::string& name, bool only_one);

}  // namespace pgcurfew
