#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "policy/diagnostic.hpp"

namespace pgcurfew {

/// A place in a file's text.
/// *Units*: line and column count from 1, columns in bytes; line 0 is the file as a whole.
struct PlaceInText {
  std::size_t line = 0;
  std::size_t column = 0;
};

/// Collects the errors of one file, and knows its lines.
/// *Shapes*: keeps the first 200 and reports if there were more.
class Complaints {
 public:
  /// The source must outlive this object.
  explicit Complaints(const Source& source);

  void error(PlaceInText at, const std::string& message, std::string hint = {});
  /// The detail is appended to the message.
  void error(PlaceInText at, const Error& error);
  void warn(PlaceInText at, const std::string& message, std::string hint = {});

  [[nodiscard]] bool has_errors() const { return errors_ > 0; }

  /// The number of errors so far.
  [[nodiscard]] std::size_t error_count() const { return errors_; }

  /// The file's text without a byte order mark.
  [[nodiscard]] std::string_view text() const { return text_; }

  /// Line `number` (from 1) without its end; empty if there is no such line.
  [[nodiscard]] std::string_view line(std::size_t number) const;

  /// The text from a place on; empty past its end.
  [[nodiscard]] std::string_view text_from(PlaceInText at) const;
  [[nodiscard]] std::string_view text_before(PlaceInText at) const;

  /// Whether a message may quote this line: it cannot contain a part of a connection string.
  [[nodiscard]] bool may_be_shown(PlaceInText at) const;

  /// The place for messages: columns count characters.
  [[nodiscard]] Place place(PlaceInText at) const;

  /// All diagnostics, in the order of the lines.
  [[nodiscard]] std::vector<Diagnostic> sorted() const;

 private:
  void add(Severity severity, PlaceInText at, const std::string& message, std::string hint);

  std::string name_;
  std::string_view text_;
  std::vector<std::size_t> line_starts_;
  std::vector<bool> near_secrets_;  ///< of each line
  std::vector<Diagnostic> diagnostics_;
  std::size_t errors_ = 0;
  bool is_full_ = false;
};

}  // namespace pgcurfew
