#pragma once

#include <bitset>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/time_zone.hpp"
#include "policy/place.hpp"

namespace pgcurfew {

/// A time of the week, again and again: from `from` (inclusive) to `to` (exclusive) of each of its days.
///
/// It begins at the first instant at which the wall shows `from` or, where that falls into a gap, right after
/// it; it ends right after the last instant at which the wall shows less than `to`. So it is always one
/// piece, and of an hour that the clocks repeat, what lies in it lies in it both times, with all that is
/// between.
struct Window {
  std::bitset<7> days;  ///< 0: Monday; the day on which it begins
  Duration from{};      ///< since midnight
  Duration to{};        ///< since midnight, at most 24 h; not later than `from`: on the next day
  TimeZone zone;
  Place place;
};

/// A stretch of time, `start` included, `end` not.
struct Interval {
  ServerTime start;
  ServerTime end;
  bool operator==(const Interval&) const = default;
};

/// When a rule acts: inside of one of `during` (if there are any) and of none of `not_during`.
struct Hours {
  std::vector<Window> during;
  std::vector<Window> not_during;

  /// Whether it is always open.
  [[nodiscard]] bool is_empty() const { return during.empty() && not_during.empty(); }

  [[nodiscard]] bool is_open(ServerTime time) const;

  /// The first stretch from `time` on during which it is open; it begins at `time` itself if it is open then.
  /// Nothing if there is none within a year. *Shapes*: where it ends it is closed, but for a stretch of more
  /// than eight days: that one may be cut short after these, and the next one begins where it ends.
  /// *Cost*: some microseconds, as is_open(); a millisecond where it never opens.
  [[nodiscard]] std::optional<Interval> next_open(ServerTime time) const;
};

/// The stretch of a window that contains `time`, or the next one; nothing if there is none within a year
/// (each of its days may fall into a gap as a whole).
std::optional<Interval> next_interval(const Window& window, ServerTime time);

}  // namespace pgcurfew
