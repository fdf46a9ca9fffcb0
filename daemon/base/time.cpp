#include "base/time.hpp"

#include <fmt/format.h>

#include "base/epoch.hpp"

namespace pgcurfew {

namespace {

std::chrono::sys_time<Duration> unix_time(ServerTime time) {
  return std::chrono::sys_time<Duration>(time.time_since_epoch() + std::chrono::seconds(kPostgresEpoch));
}

}  // namespace

std::string to_text(ServerTime time) {
  using namespace std::chrono;
  const auto unix = unix_time(time);
  const auto day = floor<days>(unix);
  const year_month_day date(day);
  const hh_mm_ss clock(unix - day);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+00", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string session_id_text(ServerTime backend_start, std::int32_t pid) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(unix_time(backend_start));
  return fmt::format("{:x}.{:x}", seconds.time_since_epoch().count(), pid);
}

}  // namespace pgcurfew
