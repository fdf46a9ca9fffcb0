#pragma once

#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcurfew {

/// Reads a time of the past as a user writes it: how long ago (`2h`), a local time (`14:03`, which is the
/// last time that clocks showed it; `2026-11-30 14:03`, with seconds or without), or UTC as the log has it
/// (`2026-11-30T14:03:05.123Z`).
/// *Errors*: anything else.
Result<WallTime> parse_moment(std::string_view text, WallTime now);

/// A local time: `14:03:05` on the day of `now`, otherwise `2026-11-30 14:03:05`.
std::string local_text(WallTime time, WallTime now);

}  // namespace pgcurfew
