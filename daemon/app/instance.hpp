#pragma once

#include <string>

namespace pgcurfew {

/// A name for a drain by hand that no other has: `by-hand-<host>-<pid>`.
std::string name_by_hand();

/// The name of this process at the gates that it closes: `<host>:<pid>`, of letters, digits, `-`, `.` and
/// `:`.
std::string instance_name();

}  // namespace pgcurfew
