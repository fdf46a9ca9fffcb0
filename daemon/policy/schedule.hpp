#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"
#include "base/time_zone.hpp"

namespace pgcurfew {

/// When a drain begins, repeatedly: the five fields of cron.
///
/// Minute, hour, day of the month, month and day of the week; `*`, numbers, ranges (`1-5`, also `fri-sun`),
/// steps (`*/15`, `8-18/2`) and lists of those; months and days also by their first three letters, 0 and 7
/// both for Sunday. If both day fields are restricted, a day that matches either one counts, as in cron. A
/// time that the clocks skip means right after the gap; a time that they repeat means the first one.
class CronSchedule {
 public:
  /// *Errors*: the error and its field.
  static Result<CronSchedule> parse(std::string_view text);

  /// The first beginning later than `time`; empty if there is none within eight years (30 February).
  [[nodiscard]] std::optional<ServerTime> next_after(ServerTime time, const TimeZone& zone) const;

  /// The text as written, with single spaces.
  [[nodiscard]] const std::string& written() const { return written_; }

 private:
  struct Field {
    std::bitset<60> values;
    bool is_any = false;  ///< begins with `*`
  };
  [[nodiscard]] bool fits_day(const CivilTime& day) const;
  /// The first beginning on a day, from a time of day on, that is later than `after`.
  [[nodiscard]] std::optional<ServerTime> next_on(const CivilTime& day, Duration from, ServerTime after,
                                                  const TimeZone& zone) const;
  static Result<Field> parse_field(std::string_view text, int index);

  Field minute_;
  Field hour_;
  Field day_of_month_;
  Field month_;
  Field day_of_week_;  ///< 0: Sunday
  std::string written_;
};

}  // namespace pgcurfew
