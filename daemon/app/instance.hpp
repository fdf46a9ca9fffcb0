#pragma once

#include <string>

namespace pgcurfew {

/// A unique name for a drain by hand: `by-hand-<host>-<pid>`.
std::string name_by_hand();

/// The name of this process in its marks: `<host>:<pid>`, of letters, digits, `-`, `.` and `:`.
std::string instance_name();

}  // namespace pgcurfew
