#pragma once

#include <string>
#include <vector>

namespace pgcurfew {

/// `pgcurfew check`: validates the files and says in plain sentences what the policy will do.
/// *Errors*: 78 if any file has an error; all of them are on standard error.
int check(const std::vector<std::string>& paths);

}  // namespace pgcurfew
