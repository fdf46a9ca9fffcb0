#pragma once

#include <bitset>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/time_zone.hpp"
#include "policy/place.hpp"

namespace pgcurfew {

/// A weekly window: from `from` (inclusive) to `to` (exclusive) on each of its days.
///
/// It begins at the first instant at which the wall clock shows `from` or, if that is in a gap, right after
/// the gap; it ends right after the last instant at which the wall clock shows less than `to`. So it is
/// always one piece: a time in a repeated hour is in it both times, with everything between.
struct Window {
  std::bitset<7> days;  ///< 0: Monday; the day on which it begins
  Duration from{};      ///< since midnight
  Duration to{};        ///< since midnight, at most 24 h; not later than `from`: on the next day
  TimeZone zone;
  Place place;
};

/// An interval, `start` included, `end` not.
struct Interval {
  ServerTime start;
  ServerTime end;
  bool operator==(const Interval&) const = default;
};

/// When a rule acts: within one of `during` (if there are any) and outside all of `not_during`.
struct Hours {
  std::vector<Window> during;
  std::vector<Window> not_during;

  /// Whether the hours are always open.
  [[nodiscard]] bool is_empty() const { return during.empty() && not_during.empty(); }

  [[nodiscard]] bool is_open(ServerTime time) const;

  /// The first open interval from `time` on; it begins at `time` itself if the hours are open then. Empty if
  /// there is none within a year.
  /// *Shapes*: the hours are closed at its end, unless it is longer than eight days: then it may be cut short
  /// after that, and the next one begins at its end.
  /// *Cost*: some microseconds, as is_open(); a millisecond if the hours never open.
  [[nodiscard]] std::optional<Interval> next_open(ServerTime time) const;
};

/// The interval of a window that contains `time`, or the next one; empty if there is none within a year (each
/// of its days may be entirely in a gap).
std::optional<Interval> next_interval(const Window& window, ServerTime time);

}  // namespace pgcurfew
