#pragma once

#include <string>
#include <vector>

namespace pgcurfew {

/// `pgcurfew check`: validates the files and prints in plain sentences what the policy will do.
/// *Errors*: 78 if any file has an error; all errors are printed on standard error.
int check(const std::vector<std::string>& paths);

}  // namespace pgcurfew
