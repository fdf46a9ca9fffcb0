#pragma once

#include "simulation/faults.hpp"
#include "simulation/random.hpp"

namespace pgcurfew::simulation {

/// The disk that an instance's record is on. It stalls or fails now and then.
class Disk {
 public:
  struct Answer {
    Duration takes{};
    bool fails = false;
  };

  explicit Disk(Random random) : random_(random) {}

  /// What becomes of an append that begins now.
  Answer append(Duration now, const Faults& faults);

 private:
  Random random_;
  Duration fails_until_{};
};

}  // namespace pgcurfew::simulation
