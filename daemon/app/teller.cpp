#include "app/teller.hpp"

#include <random>
#include <utility>

#include <fmt/format.h>

#include "system/loop.hpp"

namespace pgcurfew {

Teller::Teller(Log& log) : log_(log), prefix_(fmt::format("{:08x}", std::random_device()())) {}

void Teller::tell(Event event) {
  if (event.id.empty()) {
    event.id = fmt::format("{}.{}", prefix_, ++told_);
    event.wall_time = Loop::wall_time();
  }
  log_.write(event);
}

}  // namespace pgcurfew
