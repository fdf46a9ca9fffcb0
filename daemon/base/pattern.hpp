#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pgcurfew {

/// A test on a text: exact, with the wildcards `*` and `?`, or a regular expression.
///
/// A wildcard pattern and an exact text must match the whole text, letter for letter; `?` is one UTF-8
/// character. A regular expression (RE2's syntax, linear time) may match anywhere; it sees bytes, so that
/// invalid UTF-8 in a client's query text cannot hide the rest of it.
class TextPattern {
 public:
  /// Reads `app`, `app_*`, or `/re/`, as names are written in YAML.
  /// *Errors*: an empty pattern, a regular expression that RE2 refuses (RE2's message is the detail).
  static Result<TextPattern> parse(std::string_view written);

  /// Reads a regular expression, with or without slashes around it, as `query:` takes it.
  /// *Errors*: as parse().
  static Result<TextPattern> parse_regular_expression(std::string_view written);

  /// Matches only this text, whatever characters it contains.
  static TextPattern exact(std::string text);

  [[nodiscard]] bool matches(std::string_view text) const;

  /// The pattern as written in the file.
  [[nodiscard]] const std::string& written() const { return written_; }

  /// Whether the pattern is a plain text without wildcards, which matches exactly one text.
  [[nodiscard]] bool is_exact() const { return kind_ == Kind::kExact; }

  [[nodiscard]] bool is_regular_expression() const { return kind_ == Kind::kRegularExpression; }

  /// The same test as an SQL LIKE pattern, with the default escape character, for a column that holds only
  /// ASCII. Empty for a regular expression, and for a pattern that is not ASCII.
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
