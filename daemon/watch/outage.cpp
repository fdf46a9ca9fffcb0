#include "watch/outage.hpp"

#include <algorithm>
#include <utility>

namespace pgcurfew {

std::optional<Duration> Outage::fail(MonotonicTime now) {
  if (!since_) {
    since_ = now;
    next_told_ = now;
    pause_ = kFirstPause;
  }
  if (now < next_told_) return std::nullopt;
  next_told_ = now + pause_;
  pause_ = std::min(2 * pause_, kLongestPause);
  return now - *since_;
}

std::optional<Duration> Outage::end(MonotonicTime now) {
  const auto since = std::exchange(since_, std::nullopt);
  if (!since) return std::nullopt;
  return now - *since;
}

}  // namespace pgcurfew
