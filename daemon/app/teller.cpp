#include "app/teller.hpp"

#include <random>
#include <utility>

#include <fmt/format.h>

#include "system/loop.hpp"

namespace pgcurfew {

Teller::Teller(Log& log) : log_(log), prefix_(fmt::format("{:08x}", std::random_device()())) {}

std::uint64_t Teller::tell(Event event) {
  if (event.id.empty()) {
    event.id = fmt::format("{}.{}", prefix_, ++told_);
    event.wall_time = Loop::wall_time();
  }
  tally_.take(event);
  log_.write(event);
  return recorder_ == nullptr ? 0 : recorder_->append(event);
}

}  // namespace pgcurfew
