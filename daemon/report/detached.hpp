#pragma once

#include <functional>

#include "base/result.hpp"

namespace pgcurfew {

/// Runs `work` on a thread of its own, which the end of the process does not wait for. All signals are
/// blocked there: they are for the loop's thread.
/// *Errors*: the system's.
Result<void> start_detached(std::function<void()> work);

}  // namespace pgcurfew
