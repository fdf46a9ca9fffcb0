#pragma once

#include "base/result.hpp"
#include "cli/drain_options.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The drain that the options describe, without its beginning and its mode.
/// *Errors*: an option that cannot be read, with the reason.
Result<Drain> plan_from(const DrainOptions& options);

}  // namespace pgcurfew
