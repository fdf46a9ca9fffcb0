#pragma once

#include <optional>
#include <string>

#include "base/time.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// What a drain will do, as one plain sentence: "orders-vacuum-full: every sun at 02:00 Europe/Vienna (next
/// Sun 2026-11-29 02:00 CET) empties database orders and keeps it empty for 45min; ...". `now`: the time from
/// which the next window is computed; empty: left out.
std::string sentence_of(const Drain& drain, std::optional<ServerTime> now);

/// When the drain begins, without its next time: `every sun at 02:00 Europe/Vienna`.
std::string beginnings_of(const Drain& drain);

}  // namespace pgcurfew
