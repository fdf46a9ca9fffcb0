#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcurfew {

/// A date and a time of day as clocks on the wall show it.
struct CivilTime {
  int year = 1970;
  int month = 1;  ///< from 1
  int day = 1;    ///< from 1
  Duration since_midnight{};
  int weekday = 3;  ///< 0: Monday; set by civil_at() alone, and not read by the ways back
};

/// A time zone of the system's own data (tzdata), by name.
///
/// Twice a year there are wall times that do not exist (the gap), and some that exist twice.
class TimeZone {
 public:
  /// UTC.
  TimeZone();

  /// *Shapes*: a name below the tzdata's folder, letter for letter; neither a path to elsewhere nor an entry
  /// that means another zone on another machine (`localtime`). *Errors*: no such zone.
  /// *Source*: the system's files, each read once in the life of the process, also where it was missing.
  static Result<TimeZone> load(std::string_view name);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] CivilTime civil_at(ServerTime time) const;

  /// The first instant at which the wall shows `civil`; in a gap, the first instant after it.
  /// *Shapes*: days, months and hours outside of their range are carried over (32 January is 1 February);
  /// what a ServerTime cannot hold becomes the nearest that it can.
  [[nodiscard]] ServerTime first_instant_of(const CivilTime& civil) const;

  /// Where the last stretch ends in which the wall shows less than `civil`: the instant that shows it, the
  /// last one if there are two; but the first where clocks are set back to just that time; in a gap, its
  /// beginning. *Shapes*: as for first_instant_of().
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
