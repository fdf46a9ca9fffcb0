#include <chrono>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/reader/drain_reader.hpp"
#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kForm = "2026-12-01 02:00";
constexpr std::string_view kLongForm = "2026-12-01 02:00:00";
constexpr Duration kMinute = std::chrono::minutes(1);

/// The number in this many digits.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  int number = 0;
  for (std::size_t i = at; i < at + count; ++i) number = number * 10 + (text[i] - '0');
  return number;
}

/// Digits where the form has digits, and the same characters between them; seconds may be left out.
bool has_form(std::string_view text) {
  if (text.size() != kForm.size() && text.size() != kLongForm.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    const bool wants_digit = kLongForm[i] >= '0' && kLongForm[i] <= '9';
    if (wants_digit ? !is_digit : text[i] != kLongForm[i]) return false;
  }
  return true;
}

/// Years from 2000 to 2999: from PostgreSQL's epoch, in four digits.
std::optional<CivilTime> parse_civil(std::string_view text) {
  if (!has_form(text) || text.front() != '2') return std::nullopt;
  CivilTime civil{digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2)};
  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  const int second = text.size() > kForm.size() ? digits(text, 17, 2) : 0;
  const bool is_day = civil.month >= 1 && civil.month <= 12 && civil.day >= 1 && civil.day <= 31;
  if (!is_day || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  civil.since_midnight =
      std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
  return civil;
}

bool is_same(const CivilTime& a, const CivilTime& b) {
  return a.year == b.year && a.month == b.month && a.day == b.day && a.since_midnight == b.since_midnight;
}

}  // namespace

std::optional<ServerTime> read_moment(const YamlNode& node, const TimeZone& zone, Complaints& complaints) {
  const auto text = read_plain(node, "at", complaints);
  if (!text) return std::nullopt;
  const auto civil = parse_civil(*text);
  if (!civil) {
    complaints.error(node.at, fmt::format("\"{}\" is not a date and a time of day", printable(*text, 80)),
                     fmt::format("It is written as in {}, with a year from 2000 to 2999.", kForm));
    return std::nullopt;
  }
  const CivilTime noon{civil->year, civil->month, civil->day, std::chrono::hours(12)};
  if (TimeZone().civil_at(TimeZone().first_instant_of(noon)).day != civil->day) {
    complaints.error(node.at, fmt::format("there is no {}", text->substr(0, 10)));
    return std::nullopt;
  }
  const auto begins = zone.first_instant_of(*civil);
  if (!is_same(zone.civil_at(begins), *civil)) {
    complaints.error(node.at, fmt::format("there is no {} in {}: clocks skip it", *text, zone.name()),
                     fmt::format("They go on at {}.", zone.to_text(begins)));
    return std::nullopt;
  }
  auto next = *civil;
  next.since_midnight += kMinute;
  if (zone.end_before(next) - begins > kMinute) {
    complaints.warn(
        node.at, fmt::format("clocks in {} show {} twice; the drain begins at the first", zone.name(), *text),
        fmt::format("That is {}.", zone.to_text(begins)));
  }
  return begins;
}

}  // namespace pgcurfew
