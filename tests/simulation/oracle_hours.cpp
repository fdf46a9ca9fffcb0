// Hours, computed from a table of offsets and calendar arithmetic, without cctz and policy/hours.

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "simulation/oracle.hpp"

namespace pgcurfew::simulation::oracle {

namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr Duration kDay = hours(24);

/// From the instant `from` on, the wall clock is ahead of UTC by `ahead`. Both count from 2000-01-01 00:00
/// UTC.
struct Offset {
  Duration from;
  Duration ahead;
};

/// Days from 2000-01-01.
constexpr Duration day(int number) {
  return kDay * number;
}

/// The offsets in the time of the model's servers: from October 2025 to October 2026.
const std::vector<Offset>& offsets_of(const std::string& zone) {
  static const std::vector<Offset> kUtc{{Duration::min(), Duration(0)}};
  static const std::vector<Offset> kKolkata{{Duration::min(), minutes(330)}};
  static const std::vector<Offset> kEtc{{Duration::min(), -hours(3)}};
  // 2025-10-26, 2026-03-29 and 2026-10-25, each at 01:00 UTC
  static const std::vector<Offset> kVienna{{Duration::min(), hours(2)},
                                           {day(9430) + hours(1), hours(1)},
                                           {day(9584) + hours(1), hours(2)},
                                           {day(9794) + hours(1), hours(1)}};
  if (zone == "UTC") return kUtc;
  if (zone == "Asia/Kolkata") return kKolkata;
  if (zone == "Etc/GMT+3") return kEtc;
  if (zone == "Europe/Vienna") return kVienna;
  throw std::logic_error("the oracle does not know the zone " + zone);
}

/// All instants at which the wall clock may show `wall`, and all clock changes: the instants sought are among
/// them.
std::vector<Duration> candidates(const std::vector<Offset>& offsets, Duration wall) {
  std::vector<Duration> found;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    found.push_back(wall - offsets[i].ahead);
    if (i > 0) found.push_back(offsets[i].from);
  }
  std::sort(found.begin(), found.end());
  return found;
}

Duration wall_at(const std::vector<Offset>& offsets, Duration instant) {
  auto ahead = offsets.front().ahead;
  for (const auto& offset : offsets) {
    if (offset.from <= instant) ahead = offset.ahead;
  }
  return instant + ahead;
}

/// The first instant at which the wall clock shows `wall` or more.
Duration first_at(const std::vector<Offset>& offsets, Duration wall) {
  for (const auto instant : candidates(offsets, wall)) {
    if (wall_at(offsets, instant) >= wall) return instant;
  }
  throw std::logic_error("a wall time that never comes");
}

/// The instant right after the last one at which the wall clock shows less than `wall`.
Duration last_before(const std::vector<Offset>& offsets, Duration wall) {
  auto all = candidates(offsets, wall);
  for (auto instant = all.rbegin(); instant != all.rend(); ++instant) {
    if (wall_at(offsets, *instant - Duration(1)) < wall) return *instant;
  }
  throw std::logic_error("a wall time that was never before");
}

struct Stretch {
  Duration start;
  Duration end;
};

/// The window's stretches around an instant.
std::vector<Stretch> stretches_of(const Window& window, Duration around) {
  const auto& offsets = offsets_of(window.zone.name());
  const auto today = wall_at(offsets, around) / kDay;
  std::vector<Stretch> found;
  for (auto number = today - 4; number <= today + 2; ++number) {
    // 2000-01-01 was a Saturday; 0 is Monday
    if (!window.days.test(static_cast<std::size_t>((number + 5) % 7))) continue;
    const auto midnight = kDay * number;
    const auto end_midnight = window.to <= window.from ? midnight + kDay : midnight;
    const Stretch stretch{first_at(offsets, midnight + window.from),
                          last_before(offsets, end_midnight + window.to)};
    if (stretch.start < stretch.end) found.push_back(stretch);
  }
  return found;
}

std::vector<Stretch> all_of(const std::vector<Window>& windows, Duration around) {
  std::vector<Stretch> all;
  for (const auto& window : windows) {
    for (const auto& stretch : stretches_of(window, around)) all.push_back(stretch);
  }
  return all;
}

bool contain(const std::vector<Stretch>& stretches, Duration instant) {
  return std::any_of(stretches.begin(), stretches.end(), [&](const Stretch& stretch) {
    return stretch.start <= instant && instant < stretch.end;
  });
}

}  // namespace

std::optional<ServerTime> open_since(const Hours& hours_of_rule, ServerTime time) {
  const auto instant = time.time_since_epoch();
  const auto during = all_of(hours_of_rule.during, instant);
  const auto not_during = all_of(hours_of_rule.not_during, instant);
  const auto is_open = [&](Duration at) {
    return (hours_of_rule.during.empty() || contain(during, at)) && !contain(not_during, at);
  };
  if (!is_open(instant)) return std::nullopt;
  std::vector<Duration> edges;
  for (const auto* stretches : {&during, &not_during}) {
    for (const auto& stretch : *stretches) edges.insert(edges.end(), {stretch.start, stretch.end});
  }
  std::sort(edges.rbegin(), edges.rend());
  const auto earliest = instant - 2 * kDay;
  for (const auto edge : edges) {
    if (edge > instant) continue;
    if (edge <= earliest) break;
    if (!is_open(edge - Duration(1))) return ServerTime(edge);
  }
  return ServerTime(earliest);
}

}  // namespace pgcurfew::simulation::oracle
