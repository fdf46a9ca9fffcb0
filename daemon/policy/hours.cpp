#include "policy/hours.hpp"

#include <algorithm>
#include <chrono>
#include <queue>

namespace pgcurfew {

namespace {

constexpr int kDaysOfAYear = 366;
constexpr Duration kYear = std::chrono::hours(24 * kDaysOfAYear);

/// Hours that are open (or closed) for this long stay so, because everything here repeats each week. It is a
/// day more than a week because clocks change.
constexpr Duration kWeek = std::chrono::hours(24 * 8);

/// A later time, or the last possible one.
ServerTime later(ServerTime time, Duration by) {
  return time > ServerTime::max() - by ? ServerTime::max() : time + by;
}

/// The window's interval that begins on the day that is `days` after `today`; empty if that is not a day of
/// the window.
std::optional<Interval> interval_on(const Window& window, const CivilTime& today, int days) {
  const int weekday = ((today.weekday + days) % 7 + 7) % 7;
  if (!window.days.test(static_cast<std::size_t>(weekday))) return std::nullopt;
  CivilTime begin{today.year, today.month, today.day + days, window.from};
  CivilTime end{today.year, today.month, today.day + days + (window.to <= window.from ? 1 : 0), window.to};
  const Interval interval{window.zone.first_instant_of(begin), window.zone.end_before(end)};
  if (interval.end <= interval.start) return std::nullopt;
  return interval;
}

/// The end of the interval of the united windows that contains `time`; `time` if none does. An interval that
/// continues past `latest` may be cut at any moment after it. Each interval is visited once, whatever the
/// number and order of the windows.
ServerTime end_of_union(const std::vector<Window>& windows, ServerTime time, ServerTime latest) {
  struct Next {
    Interval interval;
    const Window* window;
  };
  const auto begins_later = [](const Next& a, const Next& b) { return a.interval.start > b.interval.start; };
  std::priority_queue<Next, std::vector<Next>, decltype(begins_later)> next(begins_later);
  const auto push = [&](const Window& window, ServerTime from) {
    if (const auto interval = next_interval(window, from)) next.push({*interval, &window});
  };
  for (const auto& window : windows) push(window, time);
  auto end = time;
  while (end < latest && !next.empty() && next.top().interval.start <= end) {
    const auto top = next.top();
    next.pop();
    end = std::max(end, top.interval.end);
    push(*top.window, end);
  }
  return end;
}

/// The beginning of the first window from `time` on; `time` itself if it is within a window.
std::optional<ServerTime> start_of_any(const std::vector<Window>& windows, ServerTime time) {
  std::optional<ServerTime> start;
  for (const auto& window : windows) {
    const auto interval = next_interval(window, time);
    if (!interval) continue;
    const auto candidate = std::max(interval->start, time);
    start = std::min(start.value_or(candidate), candidate);
  }
  return start;
}

}  // namespace

std::optional<Interval> next_interval(const Window& window, ServerTime time) {
  const auto today = window.zone.civil_at(time);
  // yesterday's window may still be open; so may that of the day before, if clocks were set back at midnight
  // after showing today
  for (int days = -2; days <= kDaysOfAYear; ++days) {
    const auto interval = interval_on(window, today, days);
    if (interval && interval->end > time) return interval;
  }
  return std::nullopt;
}

bool Hours::is_open(ServerTime time) const {
  const auto contains = [&](const Window& window) {
    const auto interval = next_interval(window, time);
    return interval && interval->start <= time;
  };
  return (during.empty() || std::any_of(during.begin(), during.end(), contains)) &&
         std::none_of(not_during.begin(), not_during.end(), contains);
}

std::optional<Interval> Hours::next_open(ServerTime time) const {
  const auto latest = later(time, kYear);
  auto start = time;
  while (start < latest) {
    if (!during.empty()) {
      const auto opens = start_of_any(during, start);
      if (!opens || *opens >= latest) return std::nullopt;
      start = *opens;
    }
    const auto end_of_closed = end_of_union(not_during, start, latest);
    if (end_of_closed == start) {
      auto end = during.empty() ? latest : end_of_union(during, start, later(start, kWeek));
      if (const auto closes = start_of_any(not_during, start)) end = std::min(end, *closes);
      return Interval{start, end};
    }
    start = end_of_closed;
  }
  return std::nullopt;
}

}  // namespace pgcurfew
