#include "report/html.hpp"

#include "base/words.hpp"

namespace pgcurfew {

namespace {

std::string_view reference_for(char character) {
  switch (character) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

}  // namespace

std::string escape_html(std::string_view text, std::size_t limit) {
  std::string escaped;
  for (const char character : printable(text, limit)) {
    const auto reference = reference_for(character);
    if (reference.empty()) {
      escaped += character;
    } else {
      escaped += reference;
    }
  }
  return escaped;
}

}  // namespace pgcurfew
