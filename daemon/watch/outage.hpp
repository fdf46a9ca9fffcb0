#pragma once

#include <optional>

#include "base/time.hpp"

namespace pgcurfew {

/// When to report a failure that repeats: at once, a minute later, then with the pause doubled each time, up
/// to an hour.
class Outage {
 public:
  static constexpr Duration kFirstPause = std::chrono::minutes(1);
  static constexpr Duration kLongestPause = std::chrono::hours(1);

  /// To be called at each failure. Returns how long the failures have lasted if this is to be reported now.
  std::optional<Duration> fail(MonotonicTime now);

  /// To be called at each success. Returns how long the failures lasted; empty if there were none.
  std::optional<Duration> end(MonotonicTime now);

 private:
  std::optional<MonotonicTime> since_;
  MonotonicTime next_told_{};
  Duration pause_{};
};

}  // namespace pgcurfew
