#pragma once

#include <string_view>

#include "base/result.hpp"
#include "cli/drain.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The drain that a command line asks for, without its beginning and its mode.
/// *Errors*: which option cannot be read, and why.
Result<Drain> plan_from(const DrainOptions& options);

/// A name for it that no other has: `by-hand-<host>-<pid>`.
std::string name_by_hand();

/// The name of this process at the gates that it closes: `<host>:<pid>`, of letters, digits, `-`, `.` and
/// `:`.
std::string instance_name();

}  // namespace pgcurfew
