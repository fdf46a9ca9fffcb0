#pragma once

#include <string>
#include <vector>

namespace pgcurfew {

/// `kHere`: also whether its places can be used, on this machine and by this user.
enum class CheckScope { kFiles, kHere };

/// `pgcurfew check`: validates the files and prints in plain sentences what the policy will do, and on
/// standard error what prevents its places from being used now.
/// *Errors*: 78 if any file has an error; all errors are printed on standard error. With kHere 69 if a place
/// cannot be used.
int check(const std::vector<std::string>& paths, CheckScope scope);

}  // namespace pgcurfew
