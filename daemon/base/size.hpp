#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pgcurfew {

/// Reads a number of bytes with its unit, such as `100MB`, as PostgreSQL's settings have it.
/// *Shapes*: a whole number and a unit, a blank between them allowed.
/// *Units*: kB, MB, GB, TB, each 1024 times the one before; a unit is required.
/// *Errors*: anything else, with a hint; 2^63 bytes or more.
Result<std::int64_t> parse_size(std::string_view text);

/// The shortest exact text of a number of bytes: `100MB`, `1536kB`, `7 bytes`.
std::string size_text(std::int64_t bytes);

}  // namespace pgcurfew
