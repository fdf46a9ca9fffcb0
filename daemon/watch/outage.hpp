#pragma once

#include <optional>

#include "base/time.hpp"

namespace pgcurfew {

/// When to tell of something that keeps failing: at once, a minute later, and then after twice the time each,
/// at most an hour.
class Outage {
 public:
  static constexpr Duration kFirstPause = std::chrono::minutes(1);
  static constexpr Duration kLongestPause = std::chrono::hours(1);

  /// It has failed again. Gives how long it has done so, if that is to be told now.
  std::optional<Duration> fail(MonotonicTime now);

  /// It works. Gives how long it did not; nothing if it did all the time.
  std::optional<Duration> end(MonotonicTime now);

 private:
  std::optional<MonotonicTime> since_;
  MonotonicTime next_told_{};
  Duration pause_{};
};

}  // namespace pgcurfew
