#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace pgcurfew {

/// Prints on standard output, for a command's results: waits for a slow reader, and ignores a closed pipe.
/// Not to be used while the loop runs.
void print_text(std::string_view text) noexcept;

/// The priority of a line on standard error, for systemd's journal.
enum class Urgency { kError, kWarning };

/// The same on standard error. If that is the journal's stream, each line begins with the priority.
void print_error_text(std::string_view text, Urgency urgency = Urgency::kError);

/// Prints on standard error, also while the loop runs: text that cannot be written at once is dropped. The
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
