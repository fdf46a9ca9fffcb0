#include "base/pattern.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

/// The position after the character that begins at `at`; a stray continuation byte counts as one character.
std::size_t past_character(std::string_view text, std::size_t at) {
  return at + std::max<std::size_t>(1, utf8_length(text.substr(at)));
}

/// Glob match by backtracking to the last star only: O(text x pattern) at worst, no recursion.
bool fits_wildcards(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == '?') {
      ++p;
      t = past_character(text, t);
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      resume = past_character(text, resume);
      t = resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool has_slashes(std::string_view written) {
  return written.size() >= 2 && written.front() == '/' && written.back() == '/';
}

}  // namespace

struct TextPattern::Compiled {
  explicit Compiled(std::string_view expression, const re2::RE2::Options& options)
      : re(re2::StringPiece(expression.data(), expression.size()), options) {}
  re2::RE2 re;
};

Result<TextPattern> TextPattern::compile(std::string_view written, std::string_view expression) {
  if (expression.empty()) return failure("the regular expression is empty", {}, "It would match every text.");
  re2::RE2::Options options;
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  TextPattern pattern;
  pattern.written_ = written;
  pattern.kind_ = Kind::kRegularExpression;
  auto compiled = std::make_shared<const Compiled>(expression, options);
  if (!compiled->re.ok()) {
    return failure(fmt::format("invalid regular expression \"{}\"", printable(written)),
                   printable(compiled->re.error()),
                   "Regular expressions are RE2's: no look-around and no back-references.");
  }
  pattern.compiled_ = std::move(compiled);
  return pattern;
}

Result<TextPattern> TextPattern::parse(std::string_view written) {
  if (written.empty()) return failure("the pattern is empty");
  if (has_slashes(written)) return compile(written, written.substr(1, written.size() - 2));
  if (written.front() == '/' && written.find('*') == std::string_view::npos) {
    return failure(
        fmt::format("pattern \"{}\" has a slash at its front but none at its end", printable(written)), {},
        "Write a regular expression between slashes, as in /^app_[0-9]+$/.");
  }
  TextPattern pattern;
  pattern.written_ = written;
  pattern.kind_ = written.find_first_of("*?") == std::string_view::npos ? Kind::kExact : Kind::kWildcard;
  return pattern;
}

Result<TextPattern> TextPattern::parse_regular_expression(std::string_view written) {
  return compile(written, has_slashes(written) ? written.substr(1, written.size() - 2) : written);
}

TextPattern TextPattern::exact(std::string text) {
  TextPattern pattern;
  pattern.written_ = std::move(text);
  return pattern;
}

bool TextPattern::matches(std::string_view text) const {
  switch (kind_) {
    case Kind::kExact:
      return text == written_;
    case Kind::kWildcard:
      return fits_wildcards(written_, text);
    case Kind::kRegularExpression:
      return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), compiled_->re);
  }
  return false;
}

std::optional<std::string> TextPattern::as_like() const {
  if (is_regular_expression()) return std::nullopt;
  std::string like;
  for (const char c : written_) {
    if (static_cast<unsigned char>(c) >= 0x80) return std::nullopt;
    if (kind_ == Kind::kWildcard && (c == '*' || c == '?')) {
      like += c == '*' ? '%' : '_';
      continue;
    }
    if (c == '%' || c == '_' || c == '\\') like += '\\';
    like += c;
  }
  return like;
}

}  // namespace pgcurfew
