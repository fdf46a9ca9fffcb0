#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "engine/order.hpp"
#include "engine/standing.hpp"
#include "events/event.hpp"

namespace pgcurfew {

/// What to do now, and how long the caller may sleep without missing anything.
struct Decision {
  std::vector<Order> orders;           ///< alerts, then signals: longest due first, then by session
  std::vector<Event> events;           ///< intents of the orders among them
  Standings standings;                 ///< where each claim stands now, these orders included
  std::optional<ServerTime> next_due;  ///< the next moment at which something falls due
  std::optional<MonotonicTime> wake;   ///< the end of a wait of our own: a pause, the breaker
  bool look_again = false;             ///< a rule held a session back until the next look (`at_most`)
  bool look_now = false;               ///< a due session needs a fresh look before a signal
  bool look_at_once = false;           ///< so do many, as far as an old look shows

  void due_by(ServerTime time) { next_due = std::min(next_due.value_or(time), time); }
  void wake_by(MonotonicTime time) { wake = std::min(wake.value_or(time), time); }
};

}  // namespace pgcurfew
