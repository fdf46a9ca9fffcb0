#pragma once

#include <optional>
#include <vector>

#include "base/time.hpp"

namespace pgcurfew {

/// How a server's clock was set while we watched it. An age is the difference of two of its readings: if the
/// clock was set forward between them, the age is too high by that, and a session would be hit before its
/// time.
///
/// Set back, it makes ages too low, and sessions are hit late; that is left as it is, for nothing but the
/// same clock could tell by how much.
class ClockSteps {
 public:
  /// The clock was set `by`, at the most (negative: back). `old_until`: the old clock said no more than that;
  /// `new_from`: the new one said no less.
  void note(Duration by, ServerTime old_until, ServerTime new_from);

  bool operator==(const ClockSteps&) const = default;

  /// By how much an age that counts from `timestamp` may be too high. Where the timestamp can be from before
  /// a step or from after it, as if from before: rather late than early.
  [[nodiscard]] Duration excess(ServerTime timestamp) const;

  /// The moment at which `limit` is over since `timestamp`, by the clock as it is now.
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
  /// Older ones are taken together with the next: they are rare, and memory is bounded.
  static constexpr std::size_t kMost = 16;

  std::vector<Step> steps_;  ///< oldest first
};

}  // namespace pgcurfew
