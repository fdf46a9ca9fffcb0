#include "app/wall_clock.hpp"

#include <chrono>

namespace pgcurfew {

ServerTime wall_clock() {
  constexpr std::chrono::sys_days kEpoch = std::chrono::year(2000) / 1 / 1;
  return ServerTime(std::chrono::floor<Duration>(std::chrono::system_clock::now() - kEpoch));
}

}  // namespace pgcurfew
