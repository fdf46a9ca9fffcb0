#include "report/redact.hpp"

#include <algorithm>
#include <utility>

namespace pgcurfew {

namespace {

bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
/// Bytes beyond ASCII are letters to PostgreSQL, whatever the encoding.
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

/// The server's lexer, as far as it decides what is a literal. Each function below is called at the first
/// byte of its token and moves at_ past the last one. If in doubt, it calls drop_rest().
class Redactor {
 public:
  explicit Redactor(std::string_view query) : text_(query) { shown_.reserve(query.size() + 8); }

  std::string run() {
    while (at_ < text_.size()) token();
    if (list_ == List::kItem || list_ == List::kComma) {
      if (fold_list()) return std::move(shown_);  // a long IN list that the server cut
    }
    if (dropped_) shown_ += "...";
    return std::move(shown_);
  }

 private:
  /// The position in a list of literals after an opening bracket.
  enum class List { kNone, kOpen, kItem, kComma };

  /// The byte at this distance ahead; past the end a NUL, which begins no token of interest.
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return text_.size() - at_ > ahead ? text_[at_ + ahead] : '\0';
  }

  void token() {
    const char c = peek();
    if (is_blank(c)) {
      ++at_;
      blank_due_ = true;
    } else if (c == '-' && peek(1) == '-') {
      at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
      blank_due_ = true;
    } else if (c == '/' && peek(1) == '*') {
      comment();
    } else if (c == '\'') {
      string(false);
    } else if (c == '"') {
      quoted_name();
    } else if (c == '$') {
      dollar();
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      number();
    } else if (is_letter(c)) {
      word();
    } else {
      symbol();
    }
  }

  /// Comments nest. A comment without an end may hide anything, so the rest is dropped.
  void comment() {
    std::size_t depth = 0;
    do {
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (depth > 0 && at_ < text_.size());
    blank_due_ = true;
    if (depth > 0) drop_rest();
  }

  /// A string from its opening quote on. In E'' a backslash escapes the next byte; in other strings that
  /// depends on the session's standard_conforming_strings, which no other session can see. The two readings
  /// differ at a quote after an odd number of backslashes: one takes it for the end, the other for content.
  /// We do not guess.
  void string(bool is_escape_string) {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '\\') {
        if (!is_escape_string && peek() == '\'') return drop_rest();
        if ((is_escape_string || peek() == '\\') && at_ < text_.size()) ++at_;
      } else if (c == '\'') {
        if (peek() != '\'') return end_of_string();
        ++at_;
      }
    }
    drop_rest();
  }

  /// 'it's mine': a letter right after the closing quote is sometimes legal ('x'AND), but usually it is an
  /// apostrophe that was not doubled, and then the secret is outside.
  void end_of_string() {
    if (is_letter(peek()) || is_digit(peek())) return drop_rest();
    literal();
  }

  void quoted_name() {
    std::size_t end = at_ + 1;
    while (end < text_.size()) {
      if (text_[end++] != '"') continue;
      if (end == text_.size() || text_[end] != '"') {
        show(text_.substr(at_, end - at_));
        list_ = List::kNone;
        at_ = end;
        return;
      }
      ++end;
    }
    drop_rest();
  }

  /// $1, $$...$$, $tag$...$tag$, or a lone dollar.
  void dollar() {
    std::size_t length = 1;
    if (is_digit(peek(1))) {
      while (is_digit(peek(length))) ++length;
      // there are at most 65535 parameters; a longer number is not a parameter
      show(length <= 6 ? text_.substr(at_, length) : "$?");
      list_ = List::kNone;
      at_ += length;
      return;
    }
    while (is_letter(peek(length)) || (length > 1 && is_digit(peek(length)))) ++length;
    if (peek(length) != '$') return symbol();
    const auto delimiter = text_.substr(at_, length + 1);
    // linear: the delimiter has no dollar inside, so no byte is compared more than twice
    const auto end = text_.find(delimiter, at_ + delimiter.size());
    if (end == std::string_view::npos) return drop_rest();
    at_ = end + delimiter.size();
    literal();
  }

  /// 1, 1_000, .5, 1e-5, 0x1F, and letters directly after it.
  void number() {
    const auto begin = at_;
    digits();
    if (peek() == '.' && peek(1) != '.') {
      ++at_;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
      if (is_digit(peek(1 + sign))) at_ += 2 + sign;
    }
    while (is_letter(peek()) || is_digit(peek())) ++at_;
    // 1_000$$ and 0x1F$$ open a string since 16, and are a name's tail before
    const auto written = text_.substr(begin, at_ - begin);
    if (peek() == '$' && written.find_first_not_of("0123456789.") != std::string_view::npos)
      return drop_rest();
    literal();
  }

  void digits() {
    while (is_digit(peek()) || peek() == '_') ++at_;
  }

  /// A key word or a name, or the letters before a string.
  void word() {
    const char lower = static_cast<char>(peek() | 0x20);
    if (peek(1) == '\'' && (lower == 'e' || lower == 'b' || lower == 'x' || lower == 'n')) {
      ++at_;
      return string(lower == 'e');
    }
    if (lower == 'u' && peek(1) == '&' && peek(2) == '\'') {
      at_ += 2;
      return string(false);
    }
    const auto begin = at_;
    while (is_letter(peek()) || is_digit(peek()) || peek() == '$') ++at_;
    show(text_.substr(begin, at_ - begin));
    list_ = List::kNone;
  }

  void symbol() {
    const char c = peek();
    const std::size_t length = c == '.' && peek(1) == '.' ? 2 : 1;
    const bool opens = c == '(' || c == '[';
    if ((c == ')' || c == ']') && list_ == List::kItem && fold_list()) blank_due_ = false;
    show(text_.substr(at_, length));
    at_ += length;
    if (opens) {
      list_ = List::kOpen;
      list_begin_ = shown_.size();
      list_items_ = 0;
    } else if (c == ',' && list_ == List::kItem) {
      list_ = List::kComma;
    } else if ((c == '-' || c == '+') && (list_ == List::kOpen || list_ == List::kComma)) {
      // a sign: part of the literal to come
    } else {
      list_ = List::kNone;
    }
  }

  void literal() {
    show("?");
    const bool is_item = list_ == List::kOpen || list_ == List::kComma;
    list_ = is_item ? List::kItem : List::kNone;
    if (is_item) ++list_items_;
  }

  void drop_rest() {
    literal();
    at_ = text_.size();
    dropped_ = true;
  }

  bool fold_list() {
    if (list_items_ < 2) return false;
    shown_.resize(list_begin_);
    shown_ += "?, ...";
    return true;
  }

  void show(std::string_view token) {
    if (blank_due_ && !shown_.empty()) shown_ += ' ';
    blank_due_ = false;
    shown_ += token;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string shown_;
  bool blank_due_ = false;
  bool dropped_ = false;
  List list_ = List::kNone;
  std::size_t list_begin_ = 0;
  std::size_t list_items_ = 0;
};

}  // namespace

std::string redact(std::string_view query) {
  return Redactor(query).run();
}

}  // namespace pgcurfew
