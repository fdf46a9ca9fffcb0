#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pgcurfew {

/// A test on a text: exact, with the wildcards `*` and `?`, or a regular expression.
///
/// A wildcard pattern and an exact text have to fit the whole text, letter for letter; `?` is one character
/// of UTF-8. A regular expression (RE2's syntax, linear time) fits if it is found anywhere; it sees bytes, so
/// that invalid UTF-8 in a stranger's query text cannot hide the rest of it.
class TextPattern {
 public:
  /// `app`, `app_*`, or `/re/`, as the YAML writes names.
  /// *Errors*: an empty pattern, a regular expression that RE2 refuses (its words are the detail).
  static Result<TextPattern> parse(std::string_view written);

  /// A regular expression, with or without slashes around it, as `query:` takes it.
  /// *Errors*: as parse().
  static Result<TextPattern> parse_regular_expression(std::string_view written);

  /// Fits this text alone, whatever characters it has.
  static TextPattern exact(std::string text);

  [[nodiscard]] bool matches(std::string_view text) const;

  /// As it stands in the file.
  [[nodiscard]] const std::string& written() const { return written_; }

  /// Whether it is a plain text, without wildcards, that fits exactly one text.
  [[nodiscard]] bool is_exact() const { return kind_ == Kind::kExact; }

  [[nodiscard]] bool is_regular_expression() const { return kind_ == Kind::kRegularExpression; }

  /// The same test as a pattern of SQL's LIKE, with its usual escape character, for a column that holds ASCII
  /// alone. Nothing for a regular expression, and for a pattern that is not ASCII.
  [[nodiscard]] std::optional<std::string> as_like() const;

 private:
  enum class Kind { kExact, kWildcard, kRegularExpression };
  struct Compiled;  // keeps RE2 out of this header

  static Result<TextPattern> compile(std::string_view written, std::string_view expression);

  std::string written_;
  Kind kind_ = Kind::kExact;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace pgcurfew
