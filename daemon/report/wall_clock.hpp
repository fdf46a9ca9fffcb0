#pragma once

#include <chrono>

#include "base/time.hpp"

namespace pgcurfew {

/// This machine's clock, read now, for what the report itself dates.
inline WallTime wall_time_now() {
  return WallTime(std::chrono::floor<Duration>(std::chrono::system_clock::now().time_since_epoch()));
}

}  // namespace pgcurfew
