#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcurfew {

/// A date and a time of day as a wall clock shows it.
struct CivilTime {
  int year = 1970;
  int month = 1;  ///< from 1
  int day = 1;    ///< from 1
  Duration since_midnight{};
  int weekday = 3;  ///< 0: Monday; set by civil_at() alone, and ignored by the conversions back
};

/// A time zone of the system's tzdata, by name.
///
/// Twice a year there are wall times that do not exist (the gap), and some that exist twice.
class TimeZone {
 public:
  /// UTC.
  TimeZone();

  /// *Shapes*: a name below the tzdata directory, letter for letter; neither a path out of it nor an entry
  /// whose meaning depends on the machine (`localtime`).
  /// *Errors*: no such zone.
  /// *Source*: the system's files, each read once in the life of the process, even if it was missing.
  static Result<TimeZone> load(std::string_view name);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] CivilTime civil_at(ServerTime time) const;

  /// The first instant at which the wall clock shows `civil`; in a gap, the first instant after the gap.
  /// *Shapes*: days, months and hours outside their range are carried over (32 January is 1 February); a time
  /// that a ServerTime cannot hold becomes the nearest one that it can.
  [[nodiscard]] ServerTime first_instant_of(const CivilTime& civil) const;

  /// The end of the last period in which the wall clock shows less than `civil`: the instant that shows
  /// `civil`, the last one if there are two, but the first if clocks are set back to exactly that time; in a
  /// gap, its beginning.
  /// *Shapes*: as for first_instant_of().
  [[nodiscard]] ServerTime end_before(const CivilTime& civil) const;

  /// The wall time with the zone's abbreviation: `Sun 2026-11-29 02:00 CET`, with seconds where there are
  /// any.
  [[nodiscard]] std::string to_text(ServerTime time) const;

 private:
  struct Zone;
  std::shared_ptr<const Zone> zone_;  ///< never null
  std::string name_ = "UTC";
};

}  // namespace pgcurfew
