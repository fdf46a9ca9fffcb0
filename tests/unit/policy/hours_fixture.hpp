#pragma once

#include <bitset>
#include <chrono>
#include <initializer_list>
#include <string_view>

#include <gtest/gtest.h>

#include "policy/hours.hpp"

namespace pgcurfew::testing {

/// A moment by its UTC wall time.
inline ServerTime utc(int year, int month, int day, int hour = 0, int minute = 0) {
  using namespace std::chrono;
  constexpr sys_days kEpoch = std::chrono::year(2000) / 1 / 1;
  const auto date = sys_days(std::chrono::year(year) / month / day);
  return ServerTime(date - kEpoch + hours(hour) + minutes(minute));
}

inline TimeZone zone_of(std::string_view name) {
  const auto zone = TimeZone::load(name);
  EXPECT_TRUE(zone) << name;
  return zone.value_or(TimeZone());
}

/// 0: Monday.
inline std::bitset<7> days(std::initializer_list<std::size_t> which) {
  std::bitset<7> set;
  for (const auto day : which) set.set(day);
  return set;
}

inline const std::bitset<7> kEveryDay{0b1111111};
inline const std::bitset<7> kWorkdays{0b0011111};

inline Window window(std::bitset<7> on, Duration from, Duration to, std::string_view zone) {
  return {on, from, to, zone_of(zone), {}};
}

}  // namespace pgcurfew::testing
