#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "base/time.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Bounds how much harm a wrong rule can do to one server: at most so many signals within a time, at most
/// such a share of all client sessions at once. Past either it opens, holds everything back, and closes by
/// itself after a quiet time.
class Breaker {
 public:
  /// On a server with few sessions the share alone would forbid nearly everything: so many at once always
  /// pass.
  static constexpr std::size_t kAlwaysPass = 5;

  /// What leaves within this time counts as at once: a rule's victims seldom fall due in the same instant.
  static constexpr Duration kAtOnce = std::chrono::seconds(1);

  enum class Trip { kNone, kSignals, kShare };

  /// How many of `due` signals may be sent now; the oldest are meant to go first.
  /// *Shapes*: `trip` is set if this very call opened the breaker; then `sent` is how many had left within
  /// the time of the bound that it met, before those admitted now, and `allowed` that bound.
  struct Admission {
    std::size_t admitted = 0;
    Trip trip = Trip::kNone;
    std::size_t sent = 0;
    std::size_t allowed = 0;
  };
  Admission admit(const Safety& safety, std::size_t due, std::size_t client_backends, MonotonicTime now);

  /// Gives one back that was admitted at that moment, for an order on which no signal left.
  void refund(MonotonicTime admitted_at);

  /// Closes it if its quiet time is over. True if it closed just now.
  bool close_if_quiet(MonotonicTime now);

  [[nodiscard]] bool is_open() const { return open_until_.has_value(); }
  [[nodiscard]] std::optional<MonotonicTime> open_until() const { return open_until_; }

 private:
  std::optional<MonotonicTime> open_until_;
  /// Until when it counts as said that more than the share are due: a quiet time after the breaker has
  /// closed.
  std::optional<MonotonicTime> announced_until_;
  std::deque<MonotonicTime> sent_;  ///< oldest first; bounded by Safety::signals and the share
};

}  // namespace pgcurfew
