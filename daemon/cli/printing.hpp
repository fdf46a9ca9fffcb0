#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace pgcurfew {

/// On standard output, for what a command ends with: waits for a reader that is slow, and does without one
/// that is gone. Not for what is said while the loop turns.
void print_text(std::string_view text) noexcept;

/// The same on standard error.
void print_error_text(std::string_view text) noexcept;

/// On standard error, for what is said while the loop turns: dropped if it can't be written at once.
void say_text(std::string_view text) noexcept;

template <class... Values>
void print(fmt::format_string<Values...> format, Values&&... values) {
  print_text(fmt::format(format, std::forward<Values>(values)...));
}

template <class... Values>
void print_error(fmt::format_string<Values...> format, Values&&... values) {
  print_error_text(fmt::format(format, std::forward<Values>(values)...));
}

template <class... Values>
void say(fmt::format_string<Values...> format, Values&&... values) {
  say_text(fmt::format(format, std::forward<Values>(values)...));
}

}  // namespace pgcurfew
