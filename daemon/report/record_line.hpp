#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgcurfew {

/// A line of the record, without the newline: the JSON object `event` with `seq` and `run` before its own
/// keys, and `crc` after them.
/// *Shapes*: `event` is a JSON object that is not empty, on one line; `run` has no character that JSON
/// escapes. `crc` is CRC-32 in eight hex digits, over all that comes before its comma.
std::string seal(std::string_view event, std::uint64_t seq, std::string_view run);

/// The largest number of a line, which no record reaches: what is added to it stays a number.
inline constexpr std::uint64_t kLargestSequence = std::uint64_t{1} << 62U;

/// The number of a line that is complete and undamaged, and not nested deeper than ours; empty for any other
/// text.
std::optional<std::uint64_t> sequence_of(std::string_view line);

/// The checksum at the end of a line that sequence_of() has accepted: tells apart lines of one number.
std::string_view checksum_in(std::string_view line);

}  // namespace pgcurfew
