#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.hpp"

namespace pgcurfew {

/// How long something took, counted in classes that never change.
/// *Units*: a class counts durations of at most its bound that are longer than the bound before; the last
/// class has no bound.
class Histogram {
 public:
  static constexpr std::array<Duration, 14> kBounds{
      std::chrono::milliseconds(1),   std::chrono::microseconds(2500), std::chrono::milliseconds(5),
      std::chrono::milliseconds(10),  std::chrono::milliseconds(25),   std::chrono::milliseconds(50),
      std::chrono::milliseconds(100), std::chrono::milliseconds(250),  std::chrono::milliseconds(500),
      std::chrono::seconds(1),        std::chrono::milliseconds(2500), std::chrono::seconds(5),
      std::chrono::seconds(15),       std::chrono::minutes(1)};

  /// A negative duration counts as 0.
  void add(Duration duration) {
    if (duration < Duration(0)) duration = Duration(0);
    std::size_t place = 0;
    while (place < kBounds.size() && duration > kBounds[place]) ++place;
    ++counts_[place];
    sum_ += duration;
  }

  Histogram& operator+=(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    sum_ += other.sum_;
    return *this;
  }

  [[nodiscard]] const std::array<std::uint64_t, kBounds.size() + 1>& counts() const { return counts_; }
  [[nodiscard]] Duration sum() const { return sum_; }

 private:
  std::array<std::uint64_t, kBounds.size() + 1> counts_{};
  Duration sum_{};
};

}  // namespace pgcurfew
