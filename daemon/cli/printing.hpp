#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace pgcurfew {

/// On standard output, for what a command ends with: waits for a reader that is slow, and does without one
/// that is gone. Not for what is said while the loop turns.
void print_text(std::string_view text) noexcept;

/// Of a line on standard error, for the journal.
enum class Urgency { kError, kWarning };

/// The same on standard error. Where that is the journal's stream, with the priority in front of each line.
void print_error_text(std::string_view text, Urgency urgency = Urgency::kError);

/// On standard error, for what is said while the loop turns: dropped if it can't be written at once. The
/// priority is as for print_error_text().
void say_text(std::string_view text);

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
