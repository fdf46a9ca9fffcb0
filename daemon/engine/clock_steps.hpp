#pragma once

#include <optional>
#include <vector>

#include "base/time.hpp"

namespace pgcurfew {

/// How a server's clock was set while we watched it. An age is the difference of two readings: if the clock
/// was set forward between them, the age is too high by that step, and a session would be signalled too
/// early.
///
/// A clock set back makes ages too low, and sessions are signalled late. That is not corrected, because only
/// the same clock could tell by how much.
class ClockSteps {
 public:
  /// The clock was set by at most `by` (negative: back). `old_until`: upper bound of the old clock's reading;
  /// `new_from`: lower bound of the new clock's.
  void note(Duration by, ServerTime old_until, ServerTime new_from);

  bool operator==(const ClockSteps&) const = default;

  /// By how much an age that counts from `timestamp` may be too high. If the timestamp may be from before or
  /// after a step, it is taken as from before: late is better than early.
  [[nodiscard]] Duration excess(ServerTime timestamp) const;

  /// The moment at which `limit` has passed since `timestamp`, by the present clock.
  [[nodiscard]] ServerTime end_of(ServerTime timestamp, Duration limit) const {
    return timestamp + limit + excess(timestamp);
  }

 private:
  struct Step {
    Duration by;
    ServerTime old_until;
    ServerTime new_from;
    bool operator==(const Step&) const = default;
  };
  /// Older steps are merged into the next one: they are rare, and memory is bounded.
  static constexpr std::size_t kMost = 16;

  std::vector<Step> steps_;  ///< oldest first
};

}  // namespace pgcurfew
