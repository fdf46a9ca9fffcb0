#include "policy/yaml/yaml_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "base/lower_case.hpp"
#include "base/words.hpp"

namespace pgcurfew {

namespace {

constexpr std::size_t kLargest = std::size_t{1024} * 1024;

/// Control characters are not allowed in a YAML file; yaml-cpp would take 0x04 for its end.
bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7F;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_truth_value(std::string_view plain) {
  constexpr std::array<std::string_view, 8> kWords{"y", "n", "yes", "no", "true", "false", "on", "off"};
  const auto lower = lower_case(plain);
  return std::find(kWords.begin(), kWords.end(), lower) != kWords.end();
}

/// Digits with underscores, up to one point, and an exponent.
bool is_decimal(std::string_view text) {
  std::size_t digits = 0;
  std::size_t points = 0;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    if (is_digit(text[i])) {
      ++digits;
    } else if (text[i] == '.') {
      ++points;
    } else if (text[i] != '_') {
      break;
    }
  }
  if (digits == 0 || points > 1 || text.front() == '_') return false;
  if (i == text.size()) return true;
  if (text[i] != 'e' && text[i] != 'E') return false;
  ++i;
  if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
  const auto exponent = text.substr(i);
  return !exponent.empty() && std::all_of(exponent.begin(), exponent.end(), is_digit);
}

/// YAML 1.1 reads 190:20:30 as a base-60 number.
bool is_sexagesimal(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos || text.back() == ':') return false;
  return text.find("::") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == ':' || c == '.'; });
}

bool is_based(std::string_view text) {
  const auto digits_of_base = [&](auto fits) {
    return text.size() > 2 && std::all_of(text.begin() + 2, text.end(), fits);
  };
  if (text.starts_with("0x")) {
    return digits_of_base([](unsigned char c) { return std::isxdigit(c) != 0 || c == '_'; });
  }
  if (text.starts_with("0b")) return digits_of_base([](char c) { return c == '0' || c == '1' || c == '_'; });
  if (text.starts_with("0o")) return digits_of_base([](char c) { return c >= '0' && c <= '7'; });
  return false;
}

bool is_number(std::string_view plain) {
  auto text = plain;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
  if (text.empty()) return false;
  const auto lower = lower_case(text);
  if (lower == ".inf" || lower == ".nan") return true;
  return is_decimal(text) || is_sexagesimal(text) || is_based(text);
}

}  // namespace

bool check_bytes(Complaints& complaints) {
  const auto text = complaints.text();
  if (text.size() > kLargest) {
    complaints.error({}, fmt::format("the file is larger than {} bytes", kLargest));
    return false;
  }
  PlaceInText at{1, 1};
  for (std::size_t i = 0; i < text.size();) {
    const auto length = utf8_length(text.substr(i));
    if (length == 0) {
      complaints.error(at, "the file is not in UTF-8");
      return false;
    }
    if (is_control(text[i])) {
      complaints.error(at, fmt::format("the file holds the control character 0x{:02x}",
                                       static_cast<unsigned char>(text[i])));
      return false;
    }
    const bool is_line_end = text[i] == '\n';
    at = is_line_end ? PlaceInText{at.line + 1, 1} : PlaceInText{at.line, at.column + length};
    i += length;
  }
  return true;
}

std::optional<std::size_t> length_of_quoted(std::string_view written) {
  if (written.empty() || (written.front() != '\'' && written.front() != '"')) return std::nullopt;
  const char quote = written.front();
  for (std::size_t i = 1; i < written.size(); ++i) {
    if (written[i] == '\\' && quote == '"') {
      ++i;
    } else if (written[i] == quote) {
      const bool is_doubled = quote == '\'' && i + 1 < written.size() && written[i + 1] == quote;
      if (!is_doubled) return i + 1;
      ++i;
    }
  }
  return std::nullopt;
}

PlaceInText end_of_text_before(const Complaints& complaints, PlaceInText at) {
  std::size_t column = at.column == 0 ? 0 : at.column - 1;
  for (auto number = at.line; number > 0; --number) {
    const auto before = complaints.line(number).substr(0, column);
    const auto last = before.find_last_not_of(" \t");
    if (last != std::string_view::npos) return {number, last + 1};
    column = std::string_view::npos;
  }
  return at;
}

std::optional<std::string_view> guessed_type(std::string_view plain) {
  if (is_truth_value(plain)) return "a truth value";
  if (is_number(plain)) return "a number";
  return std::nullopt;
}

}  // namespace pgcurfew
