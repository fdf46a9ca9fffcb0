#include "cli/moment.hpp"

#include <array>
#include <chrono>
#include <ctime>
#include <string>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/iso_time.hpp"
#include "base/words.hpp"

namespace pgcurfew {

namespace {

using std::chrono::seconds;

std::time_t seconds_of(WallTime time) {
  return std::chrono::floor<seconds>(time.time_since_epoch()).count();
}

tm local_of(WallTime time) {
  const auto since_epoch = seconds_of(time);
  tm local{};
  localtime_r(&since_epoch, &local);
  return local;
}

/// Reads all of the text by a format of strptime(3).
bool read(const std::string& text, const char* format, tm& local) {
  const char* end = strptime(text.c_str(), format, &local);
  return end != nullptr && *end == '\0';
}

WallTime from_local(tm local) {
  local.tm_isdst = -1;
  return WallTime(seconds(mktime(&local)));
}

}  // namespace

Result<WallTime> parse_moment(std::string_view text, WallTime now, std::optional<WallTime> earliest) {
  const std::string written(text);
  if (const auto utc = parse_iso_8601(text)) return *utc;
  if (const auto ago = parse_duration(text)) return now - *ago;
  for (const char* format : {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    tm local{};
    if (read(written, format, local)) return from_local(local);
  }
  for (const char* format : {"%H:%M:%S", "%H:%M"}) {
    auto local = local_of(now);
    local.tm_sec = 0;
    if (!read(written, format, local)) continue;
    if (from_local(local) > now) --local.tm_mday;
    if (earliest && from_local(local) < *earliest) ++local.tm_mday;
    return from_local(local);
  }
  return failure(fmt::format("\"{}\" is not a time", printable(text, 80)), {},
                 "It is written as in 2h, 14:03, \"2026-11-30 14:03\", or as the log has it.");
}

std::string local_text(WallTime time, WallTime now) {
  const auto local = local_of(time);
  const auto today = local_of(now);
  const bool is_today = local.tm_year == today.tm_year && local.tm_yday == today.tm_yday;
  return is_today ? fmt::format("{:%H:%M:%S}", local) : fmt::format("{:%Y-%m-%d %H:%M:%S}", local);
}

std::string full_local_text(WallTime time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", local_of(time));
}

int local_hour(WallTime time) {
  return local_of(time).tm_hour;
}

std::string time_zone_text(WallTime time) {
  const auto local = local_of(time);
  return local.tm_zone == nullptr ? std::string() : std::string(local.tm_zone);
}

}  // namespace pgcurfew
