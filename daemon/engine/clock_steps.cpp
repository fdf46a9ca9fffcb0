#include "engine/clock_steps.hpp"

#include <algorithm>

namespace pgcurfew {

void ClockSteps::note(Duration by, ServerTime old_until, ServerTime new_from) {
  steps_.push_back({by, old_until, new_from});
  if (steps_.size() <= kMost) return;
  auto& second = steps_[1];
  // a timestamp between the two counts as one from before both
  second.by = std::max({second.by, steps_[0].by, steps_[0].by + second.by});
  second.old_until = std::max(second.old_until, steps_[0].old_until);
  steps_.erase(steps_.begin());
}

Duration ClockSteps::excess(ServerTime timestamp) const {
  Duration most{};
  Duration since{};  // the sum of the steps after the period in question
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    since += step->by;
    const auto before = std::next(step);
    // a time between the two clocks may be from within the step
    const bool is_from_after = timestamp > std::max(step->old_until, step->new_from);
    const bool can_be_from_then =
        !is_from_after && (before == steps_.rend() || timestamp >= before->new_from);
    if (can_be_from_then) most = std::max(most, since);
  }
  return most;
}

}  // namespace pgcurfew
