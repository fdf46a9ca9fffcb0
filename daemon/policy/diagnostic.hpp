#pragma once

#include <string>

#include "policy/place.hpp"

namespace pgcurfew {

/// One file, read by the caller.
struct Source {
  std::string name;  ///< the name that messages show
  std::string text;
};

enum class Severity { kError, kWarning };

/// One thing wrong with the files.
struct Diagnostic {
  Severity severity = Severity::kError;
  Place place;              ///< line 0: the file as a whole
  std::string message;      ///< PostgreSQL's manner: lower case, no full stop
  std::string hint;         ///< a whole sentence, or empty
  std::string source_line;  ///< the text of the line, for the caret
};

/// `file:line:column: error: message`, the line, a caret below the column, `hint: ...`; ends in a newline.
/// Unprintable bytes in it are escaped.
std::string render(const Diagnostic& diagnostic);

}  // namespace pgcurfew
