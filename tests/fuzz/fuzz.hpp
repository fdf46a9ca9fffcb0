#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/words.hpp"

/// What is under test: called with each input that libFuzzer makes up.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace pgcurfew::fuzz {

/// Ends the process, for libFuzzer to keep the input, unless a property holds.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  return {reinterpret_cast<const char*>(data), size};
}

inline bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

inline bool has_controls(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_control);
}

inline bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

/// Whether a text may go to a terminal and into a line-oriented log as it is, after printable().
inline bool is_harmless(std::string_view text) {
  return is_utf8(text) && !has_controls(text);
}

/// What stands before the first `separator`, which is taken away with it; all if there is none.
inline std::string_view next_part(std::string_view& rest, char separator) {
  const auto end = std::min(rest.find(separator), rest.size());
  const auto part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

/// A text as a YAML value in single quotes.
inline std::string quoted(std::string_view text) {
  std::string value = "'";
  for (const char c : text) {
    value += c;
    if (c == '\'') value += c;
  }
  return value + "'";
}

}  // namespace pgcurfew::fuzz
