#pragma once

#include "base/result.hpp"
#include "cli/drain_options.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The drain that a command line asks for, without its beginning and its mode.
/// *Errors*: which option cannot be read, and why.
Result<Drain> plan_from(const DrainOptions& options);

}  // namespace pgcurfew
