#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"
#include "base/time_zone.hpp"

namespace pgcurfew {

/// When something begins, again and again: the five fields of cron.
///
/// Minute, hour, day of the month, month and day of the week; `*`, numbers, ranges (`1-5`, `fri-sun` too),
/// steps (`*/15`, `8-18/2`) and lists of those; months and days by their first three letters as well, 0 and 7
/// both for Sunday. Where both days are restricted, a day that fits either is one, as in cron. A time that
/// the clocks skip begins right after the gap; one that they repeat begins once, at the first.
class CronSchedule {
 public:
  /// *Errors*: what is wrong with which field.
  static Result<CronSchedule> parse(std::string_view text);

  /// The first beginning later than `time`; nothing if there is none within eight years (30 February).
  [[nodiscard]] std::optional<ServerTime> next_after(ServerTime time, const TimeZone& zone) const;

  /// As it was written, with single spaces.
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
