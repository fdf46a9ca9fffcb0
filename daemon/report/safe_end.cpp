#include "report/safe_end.hpp"

#include <utility>

namespace pgcurfew {

void SafeEnd::set(Position position) {
  const std::unique_lock held(mutex_);
  position_ = std::move(position);
  changed_.notify_all();
}

void SafeEnd::wake() {
  const std::unique_lock held(mutex_);
  changed_.notify_all();
}

void SafeEnd::wait(std::chrono::milliseconds most,
                   const std::function<bool(const Position&)>& is_enough) const {
  std::unique_lock held(mutex_);
  changed_.wait_for(held, most, [&] { return is_enough(position_); });
}

}  // namespace pgcurfew
