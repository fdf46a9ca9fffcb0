#pragma once

#include <cstddef>
#include <string_view>

namespace pgcurfew {

/// The deepest nesting of arrays and objects in a JSON text that others may have written: what parses, copies
/// or compares it goes as deep on the stack. For any other text some number.
std::size_t nesting_of(std::string_view json);

/// Deeper than anything that pgcurfew writes.
inline constexpr std::size_t kDeepestNesting = 32;

}  // namespace pgcurfew
