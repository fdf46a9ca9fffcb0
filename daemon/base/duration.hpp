#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcurfew {

/// Reads a duration with its unit, such as `10min`, `1h 30min`, `1.5s`.
/// *Shapes*: one or more number-and-unit pairs, blanks between them allowed, largest unit first, each once.
/// *Units*: us ms s min h d, PostgreSQL's own; a unit is required.
/// *Errors*: a missing or unknown unit (with the nearest known one as a hint), a negative number, a fraction
/// finer than a microsecond, more than 10000 days.
Result<Duration> parse_duration(std::string_view text);

/// The shortest exact text of a duration: `10min`, `1h 30min`, `1s 500ms`, `0s`. parse_duration reads it back
/// to the same value.
std::string to_text(Duration duration);

/// A number of seconds that was read somewhere, to the microsecond; empty if no duration can hold it.
std::optional<Duration> duration_of_seconds(double seconds);

/// A duration for readers, rounded to the leading units: `12min 4s`, `3.2s`, `15ms`; a leading minus if
/// negative.
std::string to_rough_text(Duration duration);

}  // namespace pgcurfew
