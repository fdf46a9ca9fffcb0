#include "policy/schedule.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

struct FieldKind {
  std::string_view name;
  int lowest;
  int highest;
  std::string_view words;  ///< three letters each, for `lowest` and those that follow; or empty
};

constexpr std::array<FieldKind, 5> kCronFields{{
    {"minute", 0, 59, ""},
    {"hour", 0, 23, ""},
    {"day of the month", 1, 31, ""},
    {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {"day of the week", 0, 7, "sunmontuewedthufrisat"},
}};

constexpr int kSunday = 7;
constexpr int kMostDays = 8 * 366;
constexpr std::size_t kLongest = 200;

tl::unexpected<Error> wrong(const FieldKind& kind, std::string_view part, std::string_view hint) {
  return failure(fmt::format("\"{}\" is not {} {} of cron", printable(part, 40),
                             kind.name == "hour" ? "an" : "a", kind.name),
                 {}, std::string(hint));
}

std::string range_hint(const FieldKind& kind) {
  return fmt::format("It takes *, or {} to {}{}, ranges as in 1-5, steps as in */15, and lists of those.",
                     kind.lowest, kind.highest, kind.words.empty() ? "" : ", or names of three letters");
}

std::string lower(std::string_view text) {
  std::string all(text);
  for (auto& c : all) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return all;
}

/// Reads a number or a name in the range of its field.
std::optional<int> parse_value(std::string_view text, const FieldKind& kind) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) {
    if (text.size() > 2 || value < kind.lowest || value > kind.highest) return std::nullopt;
    return value;
  }
  if (text.size() != 3) return std::nullopt;
  const auto found = kind.words.find(lower(text));
  if (found == std::string_view::npos || found % 3 != 0) return std::nullopt;
  return kind.lowest + static_cast<int>(found / 3);
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const auto end = std::min(text.find_first_of(separators, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

struct Range {
  int first;
  int last;
  int step;
};

/// `*`, `5`, `1-5`, `*/15`, `8-18/2`, `5/10` (from 5 to the end).
std::optional<Range> parse_range(std::string_view part, const FieldKind& kind) {
  Range range{kind.lowest, kind.highest == kSunday ? kSunday - 1 : kind.highest, 1};
  const auto slash = part.find('/');
  const auto values = part.substr(0, slash);
  if (slash != std::string_view::npos) {
    const auto step = part.substr(slash + 1);
    const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), range.step);
    if (error != std::errc() || end != step.data() + step.size() || range.step < 1 || range.step > 59) {
      return std::nullopt;
    }
  }
  if (values == "*") return range;
  const auto dash = values.find('-');
  const auto first = parse_value(values.substr(0, dash), kind);
  if (!first) return std::nullopt;
  range.first = *first;
  if (dash == std::string_view::npos) {
    if (slash == std::string_view::npos) range.last = *first;
    return range;
  }
  const auto last = parse_value(values.substr(dash + 1), kind);
  if (!last) return std::nullopt;
  range.last = *last;
  // the week wraps around: fri-sun, sat-mon
  if (range.last < range.first && kind.highest == kSunday) range.last += kSunday;
  if (range.last < range.first) return std::nullopt;
  return range;
}

}  // namespace

Result<CronSchedule::Field> CronSchedule::parse_field(std::string_view text, int index) {
  const auto& kind = kCronFields[static_cast<std::size_t>(index)];
  Field field;
  field.is_any = text.starts_with('*');
  for (const auto part : split(text, ",")) {
    const auto range = parse_range(part, kind);
    if (!range) return wrong(kind, part, range_hint(kind));
    for (int value = range->first; value <= range->last; value += range->step) {
      field.values.set(static_cast<std::size_t>(kind.highest == kSunday ? value % kSunday : value));
    }
  }
  return field;
}

Result<CronSchedule> CronSchedule::parse(std::string_view text) {
  constexpr std::string_view kHint =
      "A schedule has five fields, minute, hour, day of the month, month and day of the week, as in \"0 2 * "
      "* sun\".";
  if (text.size() > kLongest) return failure("a cron schedule is not that long", {}, std::string(kHint));
  std::vector<std::string_view> fields;
  for (const auto part : split(text, " \t")) {
    if (!part.empty()) fields.push_back(part);
  }
  if (fields.size() != kCronFields.size()) {
    return failure(fmt::format("\"{}\" is not a cron schedule: it has {} field{}", printable(text, 80),
                               fields.size(), fields.size() == 1 ? "" : "s"),
                   {}, std::string(kHint));
  }
  CronSchedule schedule;
  const std::array<Field*, 5> targets{&schedule.minute_, &schedule.hour_, &schedule.day_of_month_,
                                      &schedule.month_, &schedule.day_of_week_};
  for (std::size_t i = 0; i < targets.size(); ++i) {
    auto field = parse_field(fields[i], static_cast<int>(i));
    if (!field) return tl::unexpected(field.error());
    *targets[i] = *field;
  }
  schedule.written_ = fmt::format("{}", fmt::join(fields, " "));
  return schedule;
}

bool CronSchedule::fits_day(const CivilTime& day) const {
  if (!month_.values.test(static_cast<std::size_t>(day.month))) return false;
  const bool by_month = day_of_month_.values.test(static_cast<std::size_t>(day.day));
  const bool by_week = day_of_week_.values.test(static_cast<std::size_t>((day.weekday + 1) % 7));
  if (day_of_month_.is_any || day_of_week_.is_any) return by_month && by_week;
  return by_month || by_week;
}

std::optional<ServerTime> CronSchedule::next_on(const CivilTime& day, Duration from, ServerTime after,
                                                const TimeZone& zone) const {
  using std::chrono::hours;
  using std::chrono::minutes;
  for (std::size_t hour = 0; hour < 24; ++hour) {
    if (!hour_.values.test(hour) || hours(hour + 1) <= from) continue;
    for (std::size_t minute = 0; minute < 60; ++minute) {
      if (!minute_.values.test(minute)) continue;
      const CivilTime civil{day.year, day.month, day.day, hours(hour) + minutes(minute)};
      if (civil.since_midnight < from) continue;
      // first instants are in the order of their wall times, those of a gap being equal
      const auto begins = zone.first_instant_of(civil);
      if (begins > after) return begins;
    }
  }
  return std::nullopt;
}

std::optional<ServerTime> CronSchedule::next_after(ServerTime time, const TimeZone& zone) const {
  const auto today = zone.civil_at(time);
  for (int days = 0; days <= kMostDays; ++days) {
    const CivilTime noon{today.year, today.month, today.day + days, std::chrono::hours(12)};
    const auto day = zone.civil_at(zone.first_instant_of(noon));
    if (!fits_day(day)) continue;
    // whatever the clocks showed before was not later
    const auto from = days == 0 ? today.since_midnight : Duration(0);
    if (const auto begins = next_on(day, from, time, zone)) return begins;
  }
  return std::nullopt;
}

}  // namespace pgcurfew
