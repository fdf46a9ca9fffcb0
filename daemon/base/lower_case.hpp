#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace pgcurfew {

/// A text with its ASCII letters in lower case; other bytes are not changed.
inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

}  // namespace pgcurfew
