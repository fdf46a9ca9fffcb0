#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pgcurfew {

/// The known word nearest to a misspelt one, for "did you mean": by edit distance, at most a third of the
/// word's length (but at least one letter) away; the first of several equally near words.
std::optional<std::string_view> nearest_word(std::string_view word, std::span<const std::string_view> known);

inline std::optional<std::string_view> nearest_word(std::string_view word,
                                                    std::initializer_list<std::string_view> known) {
  return nearest_word(word, std::span<const std::string_view>(known.begin(), known.size()));
}

/// Length in bytes of the well-formed UTF-8 character at the front of a text, 0 if there is none.
/// *Source*: Unicode 15, table 3-7; overlong forms and surrogates are not well-formed.
std::size_t utf8_length(std::string_view text);

/// A client's text made safe for a terminal and a line-oriented log: every byte outside printable ASCII and
/// well-formed UTF-8 becomes `\xNN`, tab and newline become `\t` and `\n`, and a text longer than `limit`
/// bytes is cut at a character with `...` at its end. C1 controls and bidirectional overrides are escaped as
/// well.
std::string printable(std::string_view text, std::size_t limit = 400);

/// Words as a list in a sentence: `a`, `a or b`, `a, b or c`.
std::string or_list(std::span<const std::string> words);
std::string or_list(std::span<const std::string_view> words);

/// A name as an identifier in an SQL statement: in double quotes, unless it consists of lower-case letters,
/// digits and underscores and does not begin with a digit. For display; other bytes are not changed.
std::string quoted_identifier(std::string_view name);

}  // namespace pgcurfew
