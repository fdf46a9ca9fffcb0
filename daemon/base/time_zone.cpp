#include "base/time_zone.hpp"

#include <chrono>

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>
#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

struct TimeZone::Zone {
  cctz::time_zone zone;
};

namespace {

using Instant = cctz::time_point<cctz::seconds>;

/// PostgreSQL's epoch, 2000-01-01 00:00 UTC, in Unix time.
constexpr std::int64_t kEpoch = 946'684'800;

constexpr std::size_t kLongestName = 100;

Instant instant_of(ServerTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch());
  return Instant(cctz::seconds(seconds.count() + kEpoch));
}

ServerTime server_time_of(Instant instant) {
  return ServerTime(std::chrono::seconds(instant.time_since_epoch().count() - kEpoch));
}

cctz::civil_second seconds_of(const CivilTime& civil) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(civil.since_midnight).count();
  return cctz::civil_second(civil.year, civil.month, civil.day, 0, 0, seconds);
}

}  // namespace

TimeZone::TimeZone() : zone_(std::make_shared<Zone>(Zone{cctz::utc_time_zone()})) {}

Result<TimeZone> TimeZone::load(std::string_view name) {
  // an absolute path, a path upwards and the like are names of files, and "localtime" hangs on our
  // environment
  const bool is_name = !name.empty() && name.size() <= kLongestName && name.front() != '/' &&
                       name.find("..") == std::string_view::npos &&
                       name.find('\0') == std::string_view::npos &&
                       name.find(':') == std::string_view::npos && name != "localtime";
  cctz::time_zone zone;
  if (!is_name || !cctz::load_time_zone(std::string(name), &zone)) {
    return failure(fmt::format("unknown time zone \"{}\"", printable(name, 80)), {},
                   "It takes a name of the system's tzdata, such as Europe/Vienna or UTC.");
  }
  TimeZone loaded;
  loaded.zone_ = std::make_shared<Zone>(Zone{zone});
  loaded.name_ = name;
  return loaded;
}

CivilTime TimeZone::civil_at(ServerTime time) const {
  const auto civil = zone_->zone.lookup(instant_of(time)).cs;
  const auto day = cctz::civil_day(civil);
  const auto whole = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch());
  return {static_cast<int>(civil.year()), civil.month(), civil.day(),
          std::chrono::seconds(civil - cctz::civil_second(day)) + (time.time_since_epoch() - whole),
          static_cast<int>(cctz::get_weekday(day))};
}

ServerTime TimeZone::first_instant_of(const CivilTime& civil) const {
  const auto found = zone_->zone.lookup(seconds_of(civil));
  return server_time_of(found.kind == cctz::time_zone::civil_lookup::SKIPPED ? found.trans : found.pre);
}

ServerTime TimeZone::last_instant_of(const CivilTime& civil) const {
  const auto found = zone_->zone.lookup(seconds_of(civil));
  return server_time_of(found.kind == cctz::time_zone::civil_lookup::SKIPPED ? found.trans : found.post);
}

std::string TimeZone::to_text(ServerTime time) const {
  return cctz::format("%a %Y-%m-%d %H:%M %Z", instant_of(time), zone_->zone);
}

}  // namespace pgcurfew
