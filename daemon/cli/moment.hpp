#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcurfew {

/// Reads a time of the past as a user writes it: how long ago (`2h`), a local time (`14:03`, which is the
/// last time that clocks showed it; `2026-11-30 14:03`, with seconds or without), or UTC as the log has it
/// (`2026-11-30T14:03:05.123Z`). A time of day that was last before `earliest` is the one of the day after
/// that. *Errors*: anything else.
Result<WallTime> parse_moment(std::string_view text, WallTime now, std::optional<WallTime> earliest = {});

/// A local time: `14:03:05` on the day of `now`, otherwise `2026-11-30 14:03:05`.
std::string local_text(WallTime time, WallTime now);

/// The same with its day, whatever day it is: `2026-11-30 14:03:05`.
std::string full_local_text(WallTime time);

/// The hour of the day in local time, from 0 to 23.
int local_hour(WallTime time);

/// What the local time zone is called at that time, as in `CET`.
std::string time_zone_text(WallTime time);

}  // namespace pgcurfew
