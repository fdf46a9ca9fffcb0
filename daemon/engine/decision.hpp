#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "engine/order.hpp"
#include "engine/standing.hpp"
#include "events/event.hpp"

namespace pgcurfew {

/// What to do now, and how long one may sleep without missing anything.
struct Decision {
  std::vector<Order> orders;           ///< alerts, then signals: longest due first, then by session
  std::vector<Event> events;           ///< intents of the orders among them
  Standings standings;                 ///< of each claim where it stands now, these orders included
  std::optional<ServerTime> next_due;  ///< the next moment at which something falls due
  std::optional<MonotonicTime> wake;   ///< a wait of our own that ends: a pause, the breaker
  bool look_again = false;             ///< a rule held somebody back until the next look (`at_most`)
  bool look_now = false;               ///< somebody is due whom only a fresh look can condemn
  bool look_at_once = false;           ///< so are many, for all that an old look can say

  void due_by(ServerTime time) { next_due = std::min(next_due.value_or(time), time); }
  void wake_by(MonotonicTime time) { wake = std::min(wake.value_or(time), time); }
};

}  // namespace pgcurfew
