#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "base/time.hpp"

namespace pgcurfew::simulation {

/// Future actions, in the order of true time; actions at the same time run in the order in which they were
/// added.
class Agenda {
 public:
  [[nodiscard]] Duration now() const { return now_; }

  void at(Duration when, std::function<void()> what) {
    entries_.emplace(std::pair(std::max(when, now_), ++asked_), std::move(what));
  }
  void in(Duration wait, std::function<void()> what) { at(now_ + wait, std::move(what)); }

  /// Runs the next entry, if it is due by `end`.
  bool run_next(Duration end) {
    if (entries_.empty() || entries_.begin()->first.first > end) return false;
    auto entry = entries_.extract(entries_.begin());
    now_ = entry.key().first;
    entry.mapped()();
    return true;
  }
  void run_until(Duration end) {
    while (run_next(end)) {
    }
    now_ = std::max(now_, end);
  }

 private:
  Duration now_{};
  std::uint64_t asked_ = 0;
  std::map<std::pair<Duration, std::uint64_t>, std::function<void()>> entries_;
};

}  // namespace pgcurfew::simulation
