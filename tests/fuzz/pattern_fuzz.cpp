// Text patterns: the first line is a pattern, the rest a text. Wildcards are held against a matcher written
// differently, and what is written is read back to a pattern that says the same.
#include <vector>

#include "base/pattern.hpp"
#include "fuzz.hpp"

namespace {

using namespace pgcurfew;
using fuzz::require;

/// Where the next character of a text begins.
std::size_t past_character(std::string_view text, std::size_t at) {
  return at + std::max<std::size_t>(1, utf8_length(text.substr(at)));
}

/// Which ends of the text are reached after each letter of the pattern.
bool fits(std::string_view pattern, std::string_view text) {
  std::vector<bool> reached(text.size() + 1, false);
  reached[0] = true;
  for (const char letter : pattern) {
    std::vector<bool> next(text.size() + 1, false);
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (!reached[i]) continue;
      if (letter == '*') {
        for (auto j = i; j < text.size(); j = past_character(text, j)) next[j] = true;
        next[text.size()] = true;
      } else if (i < text.size() && letter == '?') {
        next[past_character(text, i)] = true;
      } else if (i < text.size() && letter == text[i]) {
        next[i + 1] = true;
      }
    }
    reached = next;
  }
  return reached[text.size()];
}

void check(const Result<TextPattern>& pattern, std::string_view written, std::string_view text) {
  if (!pattern) {
    require(fuzz::is_harmless(pattern.error().message), "a message is harmless");
    require(fuzz::is_harmless(pattern.error().detail), "a detail is harmless");
    return;
  }
  require(pattern->written() == written, "what is written is kept");
  if (pattern->is_exact()) {
    require(pattern->matches(written), "an exact text fits itself");
    require(pattern->matches(text) == (text == written), "an exact text fits no other");
  } else if (!pattern->is_regular_expression()) {
    require(pattern->matches(text) == fits(written, text), "wildcards fit what they mean");
  } else {
    (void)pattern->matches(text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = fuzz::text_of(data, size);
  const auto written = fuzz::next_part(text, '\n');
  check(TextPattern::parse(written), written, text);
  const auto expression = TextPattern::parse_regular_expression(written);
  require(!expression || expression->is_regular_expression(), "a regular expression is one");
  check(expression, written, text);
  return 0;
}
