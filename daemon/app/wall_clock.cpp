#include "app/wall_clock.hpp"

#include <chrono>

#include "system/loop.hpp"

namespace pgcurfew {

ServerTime wall_clock() {
  constexpr std::chrono::sys_days kEpoch = std::chrono::year(2000) / 1 / 1;
  return ServerTime(Loop::wall_time().time_since_epoch() - kEpoch.time_since_epoch());
}

}  // namespace pgcurfew
