#include "policy/diagnostic.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

// A longer line is shown as a window around the caret.
constexpr std::size_t kBeforeCaret = 70;
constexpr std::size_t kAfterCaret = 40;

/// A line as a list of characters, each as it is shown.
std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells;
  while (!line.empty()) {
    const auto character = line.substr(0, std::max<std::size_t>(1, utf8_length(line)));
    cells.push_back(character == "\t" ? " " : printable(character));
    line.remove_prefix(character.size());
  }
  return cells;
}

/// The columns that a cell takes: an escaped character is shown as the ASCII text of its escape.
std::size_t width_of(const std::string& cell) {
  const auto is_one_character = utf8_length(cell) == cell.size();
  return is_one_character ? 1 : cell.size();
}

}  // namespace

std::string render(const Diagnostic& diagnostic) {
  const auto& place = diagnostic.place;
  std::string text = printable(place.file);
  if (place.line > 0) text += fmt::format(":{}:{}", place.line, place.column);
  text += fmt::format(": {}: {}\n", diagnostic.severity == Severity::kError ? "error" : "warning",
                      printable(diagnostic.message));
  const auto cells = cells_of(diagnostic.source_line);
  if (place.line > 0 && !cells.empty()) {
    const auto caret = std::max<std::size_t>(1, place.column) - 1;
    const bool has_caret = caret <= cells.size();
    const auto first = caret > kBeforeCaret && has_caret ? caret - kBeforeCaret : 0;
    const auto last = std::min(cells.size(), first + kBeforeCaret + kAfterCaret);
    std::string shown = first > 0 ? "..." : "";
    std::size_t indent = shown.size();
    for (auto i = first; i < last; ++i) {
      shown += cells[i];
      if (i < caret) indent += width_of(cells[i]);
    }
    text += fmt::format("  {}{}\n", shown, last < cells.size() ? "..." : "");
    if (has_caret) text += fmt::format("  {:{}}^\n", "", indent);
  }
  if (!diagnostic.hint.empty()) text += fmt::format("hint: {}\n", printable(diagnostic.hint));
  return text;
}

}  // namespace pgcurfew
