#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace pgcurfew {

/// A time in ISO 8601, in UTC, as JSON has it: `2026-11-23T04:05:06.000001Z`.
std::string iso_8601(ServerTime time);

/// The same to the millisecond: `2026-11-23T04:05:06.123Z`.
std::string iso_8601(WallTime time);

/// Reads what iso_8601() writes, with any number of digits after the second; empty for any other text.
std::optional<WallTime> parse_iso_8601(std::string_view text);

/// The two clocks agree on what a date means, and only there.
ServerTime server_time_of(WallTime time);

}  // namespace pgcurfew
