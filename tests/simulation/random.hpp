#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.hpp"

namespace pgcurfew::simulation {

/// A stream of numbers that depends only on its seed. The distributions of standard libraries differ, and a
/// seed must give the same numbers everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 0x1234567) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    auto z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }
  /// From `low` to `high`, both included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    if (high <= low) return low;
    return low + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(double probability) { return static_cast<double>(next() >> 11U) * 0x1.0p-53 < probability; }
  Duration span(Duration low, Duration high) { return Duration(between(low.count(), high.count())); }
  /// The logarithm is evenly distributed, so that short durations are as frequent as long ones.
  Duration log_span(Duration low, Duration high) {
    auto top = low;
    std::int64_t doublings = 0;
    while (top * 2 <= high && doublings < 60) top *= 2, ++doublings;
    const auto floor = low * (std::int64_t{1} << between(0, doublings));
    return span(floor, std::min(floor * 2, high));
  }
  template <class T>
  const T& pick(const std::vector<T>& of) {
    return of[static_cast<std::size_t>(between(0, static_cast<std::int64_t>(of.size()) - 1))];
  }
  template <class T, std::size_t N>
  const T& pick(const std::array<T, N>& of) {
    return of[static_cast<std::size_t>(between(0, static_cast<std::int64_t>(N) - 1))];
  }

 private:
  std::uint64_t state_;
};

}  // namespace pgcurfew::simulation
