#include "base/iso_time.hpp"

#include <chrono>

#include <cctz/time_zone.h>
#include <fmt/format.h>

namespace pgcurfew {

namespace {

/// PostgreSQL's epoch, 2000-01-01 00:00 UTC, in Unix time.
constexpr std::chrono::seconds kEpoch{946'684'800};

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
  std::chrono::time_point<std::chrono::system_clock, Duration> time;
  if (!cctz::parse("%Y-%m-%dT%H:%M:%E*SZ", std::string(text), cctz::utc_time_zone(), &time))
    return std::nullopt;
  return WallTime(time.time_since_epoch());
}

ServerTime server_time_of(WallTime time) {
  return ServerTime(time.time_since_epoch() - kEpoch);
}

}  // namespace pgcurfew
