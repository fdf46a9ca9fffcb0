#include "base/time_zone.hpp"

#include <algorithm>
#include <chrono>

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>
#include <fmt/format.h>

#include "base/epoch.hpp"
#include "base/words.hpp"

namespace pgcurfew {

struct TimeZone::Zone {
  cctz::time_zone zone;
};

namespace {

using Instant = cctz::time_point<cctz::seconds>;

constexpr std::size_t kLongestName = 100;

/// The characters of names in tzdata. Without a dot and a colon no name leads out of its directory, and
/// cctz's own names (`Fixed/UTC+01:00:00`, `libc:localtime`, `file:...`) are excluded.
bool is_name_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
         c == '-' || c == '/';
}

/// Whether it has the form of a name, and is not an entry that depends on this machine (`localtime`) or names
/// no place (`posixrules`, `Factory`).
bool is_zone_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName &&
         std::all_of(name.begin(), name.end(), is_name_letter) && name.front() != '/' && name.back() != '/' &&
         name.find("//") == std::string_view::npos && name != "localtime" && name != "posixrules" &&
         name != "Factory";
}

/// A moment's whole second, and the rest.
struct SplitTime {
  std::chrono::seconds seconds;
  Duration rest;
};

SplitTime split(ServerTime time) {
  // the first representable second is not a whole one
  const auto since_epoch = std::max(time.time_since_epoch(), Duration::min() + std::chrono::seconds(1));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  return {seconds, since_epoch - seconds};
}

Instant instant_of(ServerTime time) {
  return Instant(cctz::seconds(split(time).seconds.count() + kPostgresEpoch));
}

/// The nearest value that a ServerTime can hold.
ServerTime server_time_of(Instant instant) {
  constexpr auto kFirst = std::chrono::ceil<std::chrono::seconds>(ServerTime::duration::min()).count();
  // less a margin, so that a second and a fraction still fit
  constexpr auto kLast = std::chrono::floor<std::chrono::seconds>(ServerTime::duration::max()).count() - 2;
  return ServerTime(std::chrono::seconds(
      std::clamp<std::int64_t>(instant.time_since_epoch().count() - kPostgresEpoch, kFirst, kLast)));
}

/// A wall time's whole seconds, and the rest.
struct SplitCivil {
  cctz::civil_second seconds;
  Duration rest;
};

SplitCivil split(const CivilTime& civil) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(civil.since_midnight);
  return {cctz::civil_second(civil.year, civil.month, civil.day, 0, 0, whole.count()),
          civil.since_midnight - whole};
}

}  // namespace

TimeZone::TimeZone() : zone_(std::make_shared<Zone>(Zone{cctz::utc_time_zone()})) {}

Result<TimeZone> TimeZone::load(std::string_view name) {
  cctz::time_zone zone;
  if (!is_zone_name(name) || !cctz::load_time_zone(std::string(name), &zone)) {
    return failure(fmt::format("unknown time zone \"{}\"", printable(name, 80)), {},
                   "Use a name in the system's tzdata, such as Europe/Vienna or UTC.");
  }
  TimeZone loaded;
  loaded.zone_ = std::make_shared<Zone>(Zone{zone});
  loaded.name_ = name;
  return loaded;
}

CivilTime TimeZone::civil_at(ServerTime time) const {
  const auto civil = zone_->zone.lookup(instant_of(time)).cs;
  const auto day = cctz::civil_day(civil);
  return {static_cast<int>(civil.year()), civil.month(), civil.day(),
          std::chrono::seconds(civil - cctz::civil_second(day)) + split(time).rest,
          static_cast<int>(cctz::get_weekday(day))};
}

ServerTime TimeZone::first_instant_of(const CivilTime& civil) const {
  const auto [seconds, rest] = split(civil);
  const auto found = zone_->zone.lookup(seconds);
  if (found.kind == cctz::time_zone::civil_lookup::SKIPPED) return server_time_of(found.trans);
  return server_time_of(found.pre) + rest;
}

ServerTime TimeZone::end_before(const CivilTime& civil) const {
  const auto [seconds, rest] = split(civil);
  // clocks change at whole seconds
  const auto step = rest > Duration(0) ? rest : Duration(std::chrono::seconds(1));
  const auto found = zone_->zone.lookup(rest > Duration(0) ? seconds : seconds - 1);
  if (found.kind == cctz::time_zone::civil_lookup::SKIPPED) return server_time_of(found.trans);
  return server_time_of(found.post) + step;
}

std::string TimeZone::to_text(ServerTime time) const {
  const bool is_whole_minute =
      civil_at(time).since_midnight % std::chrono::minutes(1) < std::chrono::seconds(1);
  return cctz::format(is_whole_minute ? "%a %Y-%m-%d %H:%M %Z" : "%a %Y-%m-%d %H:%M:%S %Z", instant_of(time),
                      zone_->zone);
}

}  // namespace pgcurfew
