#include "base/iso_time.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/epoch.hpp"

namespace pgcurfew {

namespace {

bool is_decimal(char c) {
  return c >= '0' && c <= '9';
}

/// Of digits only, so few that they fit.
int number(std::string_view digits) {
  int value = 0;
  for (const char digit : digits) value = value * 10 + (digit - '0');
  return value;
}

}  // namespace

std::string iso_8601(ServerTime time) {
  // `2026-11-23 04:05:06.000001+00` is equivalent, but log parsers need the letters
  auto text = to_text(time);
  const auto blank = text.find(' ');
  if (blank != std::string::npos) text[blank] = 'T';
  if (text.ends_with("+00")) text.replace(text.size() - 3, 3, "Z");
  return text;
}

std::string iso_8601(WallTime time) {
  using namespace std::chrono;
  const auto now = sys_time<milliseconds>(floor<milliseconds>(time.time_since_epoch()));
  const auto day = floor<days>(now);
  const year_month_day date(day);
  const hh_mm_ss clock(now - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::optional<WallTime> parse_iso_8601(std::string_view text) {
  using namespace std::chrono;
  constexpr std::string_view kForm = "0000-00-00T00:00:00";
  if (text.size() <= kForm.size() || text.back() != 'Z') return std::nullopt;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] == '0' ? !is_decimal(text[i]) : text[i] != kForm[i]) return std::nullopt;
  }
  const year_month_day date{year(number(text.substr(0, 4))),
                            month(static_cast<unsigned>(number(text.substr(5, 2)))),
                            day(static_cast<unsigned>(number(text.substr(8, 2))))};
  const auto hour = number(text.substr(11, 2));
  const auto minute = number(text.substr(14, 2));
  const auto second = number(text.substr(17, 2));
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  auto fraction = text.substr(kForm.size(), text.size() - kForm.size() - 1);
  Duration rest{};
  if (!fraction.empty()) {
    if (fraction.size() < 2 || fraction.front() != '.') return std::nullopt;
    fraction.remove_prefix(1);
    if (!std::all_of(fraction.begin(), fraction.end(), is_decimal)) return std::nullopt;
    auto digits = std::string(fraction.substr(0, 6));
    digits.resize(6, '0');
    rest = Duration(number(digits));
  }
  return WallTime(sys_days(date).time_since_epoch() + hours(hour) + minutes(minute) + seconds(second) + rest);
}

ServerTime server_time_of(WallTime time) {
  return ServerTime(time.time_since_epoch() - std::chrono::seconds(kPostgresEpoch));
}

}  // namespace pgcurfew
