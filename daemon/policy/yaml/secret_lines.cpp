#include "policy/yaml/secret_lines.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "base/lower_case.hpp"
#include "policy/grammar/grammar.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kBlanks = " \t";

/// The key at the beginning of a text, without quotes, and where its value begins.
struct Key {
  std::string_view word;
  std::size_t end = 0;
};

std::optional<Key> key_at_front(std::string_view text) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
  };
  std::size_t at = 0;
  const bool is_quoted = text.starts_with('"') || text.starts_with('\'');
  if (is_quoted) ++at;
  const auto begin = at;
  while (at < text.size() && is_letter(text[at])) ++at;
  const auto word = text.substr(begin, at - begin);
  if (is_quoted && at < text.size() && text[at] == text.front()) ++at;
  at = std::min(text.find_first_not_of(kBlanks, at), text.size());
  if (word.empty() || at == text.size() || text[at] != ':') return std::nullopt;
  return Key{word, at + 1};
}

bool is_known_section(std::string_view key) {
  const auto keys = keys_of(Mapping::kMainFile);
  return std::any_of(keys.begin(), keys.end(), [&](const KeyEntry& entry) { return entry.name == key; });
}

/// Each connection string has one of these.
bool may_hold_a_connection(std::string_view text) {
  return text.find('=') != std::string_view::npos || text.find("://") != std::string_view::npos;
}

/// The number of brackets that a line leaves open, ignoring quotes.
int opened_brackets(std::string_view line) {
  const auto count = [&](char bracket) { return std::count(line.begin(), line.end(), bracket); };
  return static_cast<int>(count('{') + count('[') - count(']') - count('}'));
}

bool names_a_connection(std::string_view line) {
  const auto lower = lower_case(line);
  for (const std::string_view word : {"pgbouncer", "conninfo"}) {
    for (auto at = lower.find(word); at != std::string::npos; at = lower.find(word, at + 1)) {
      const auto behind = lower.find_first_not_of(" \t\"'", at + word.size());
      if (behind != std::string::npos && lower[behind] == ':') return true;
    }
  }
  return false;
}

/// Length of a value that cannot be a part of a connection string; 0 if it may be one.
std::size_t harmless_value(std::string_view text, std::string_view key) {
  const auto begin = std::min(text.find_first_not_of(kBlanks), text.size());
  auto end = std::min(text.find_first_of(",]}", begin), text.size());
  if (begin < text.size() && (text[begin] == '"' || text[begin] == '\'')) {
    const auto closing = text.find(text[begin], begin + 1);
    if (closing == std::string_view::npos) return 0;
    end = closing + 1;
  } else if (key == "labels" && begin < text.size() && text[begin] == '{') {
    const auto closing = text.find('}', begin);
    if (closing == std::string_view::npos) return 0;
    end = closing + 1;
  }
  const auto value = text.substr(0, end);
  const bool is_suspect =
      value.find_first_of("=@") != std::string_view::npos || value.find("://") != std::string_view::npos;
  return is_suspect ? 0 : end;
}

}  // namespace

namespace {

/// Goes through the lines and tracks where sections and connections begin and end.
class Walk {
 public:
  void add(std::string_view line) {
    const auto indent = line.find_first_not_of(" \t\r");
    if (indent != std::string_view::npos && line[indent] != '#') add_text(line.substr(indent), indent);
    near_.push_back(nested_.has_value());
    is_suspect_ = is_suspect_ || may_hold_a_connection(line);
  }

  std::vector<bool> finish() {
    end_section();
    return std::move(near_);
  }

 private:
  void add_text(std::string_view text, std::size_t indent) {
    if (!top_) top_ = indent;
    if (nested_ && indent <= *nested_ && open_ <= open_at_nested_) nested_.reset();
    if (indent <= *top_ && !text.starts_with("- ")) {
      const auto key = key_at_front(text);
      const bool is_known = key && is_known_section(key->word);
      // the content of brackets may be anywhere
      if (is_known || open_ <= 0) {
        end_section();
        is_without_connections_ = is_known && key->word != "servers";
      }
    }
    if (!nested_ && names_a_connection(text)) {
      nested_ = indent;
      open_at_nested_ = open_;
    }
    open_ += opened_brackets(text);
  }

  void end_section() {
    if (is_suspect_ && !is_without_connections_) {
      std::fill(near_.begin() + static_cast<std::ptrdiff_t>(begin_), near_.end(), true);
    }
    begin_ = near_.size();
    nested_.reset();
    is_suspect_ = false;
    open_ = 0;
  }

  std::vector<bool> near_;
  std::optional<std::size_t> top_;     ///< the indentation of the sections
  std::optional<std::size_t> nested_;  ///< the indentation of a connection's key
  std::size_t begin_ = 0;              ///< the section's first line
  bool is_without_connections_ = false;
  bool is_suspect_ = false;
  int open_ = 0;  ///< open brackets of the section
  int open_at_nested_ = 0;
};

}  // namespace

std::vector<bool> lines_near_secrets(std::string_view text) {
  Walk walk;
  while (true) {
    const auto length = std::min(text.find('\n'), text.size());
    walk.add(text.substr(0, length));
    if (length == text.size()) return walk.finish();
    text.remove_prefix(length + 1);
  }
}

std::string harmless_part(std::string_view line) {
  constexpr std::array<std::string_view, 3> kOpening{"servers", "server", "pgbouncer"};
  constexpr std::array<std::string_view, 3> kHarmless{"name", "labels", "by"};
  constexpr std::array<std::string_view, 6> kConnections{"conninfo", "dsn",        "uri",
                                                         "url",      "connection", "connection_string"};
  const auto is_one_of = [](std::string_view word, const auto& words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  std::size_t shown = 0;
  while (true) {
    const auto begin = std::min(line.find_first_not_of(" \t-{[]},", shown), line.size());
    if (begin == line.size()) return std::string(line);
    const auto key = key_at_front(line.substr(begin));
    if (!key) break;
    const auto value = begin + key->end;
    if (is_one_of(key->word, kOpening)) {
      shown = value;
    } else if (is_one_of(key->word, kHarmless)) {
      const auto harmless = harmless_value(line.substr(value), key->word);
      if (harmless == 0 && value < line.size()) break;
      shown = value + harmless;
    } else {
      if (is_one_of(key->word, kConnections)) shown = value;
      break;
    }
  }
  return shown == 0 ? std::string() : std::string(line.substr(0, shown)) + "...";
}

std::string without_secrets(std::string_view text) {
  // a misspelt password is still a password: nothing of a conninfo is shown
  constexpr std::array<std::string_view, 4> kSigns{"password", "passwd", "://", "conninfo:"};
  const auto lower = lower_case(text);
  std::size_t cut = std::string::npos;
  for (const auto sign : kSigns) {
    const auto at = lower.find(sign);
    if (at != std::string::npos) cut = std::min(cut, at + sign.size());
  }
  if (cut >= text.size()) return std::string(text);
  return std::string(text.substr(0, cut)) + "...";
}

}  // namespace pgcurfew
