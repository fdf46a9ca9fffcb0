#pragma once

#include "simulation/random.hpp"

namespace pgcurfew::simulation {

/// Whoever reads what an instance tells: a terminal, or a pipe. It stops now and then.
class Reader {
 public:
  explicit Reader(Random random) : random_(random) {}

  /// For how long a line that is told now holds up the instance, as report/output.hpp grants it: once for
  /// each time that the reader stops. `stops`: which part of the time it does not read; `is_waited_for`: the
  /// instance has no bound.
  Duration tell(Duration now, double stops, bool is_waited_for);

 private:
  Random random_;
  bool is_reading_ = true;
  bool was_waited_for_ = false;  ///< since it stopped
  Duration changes_at_{};
};

}  // namespace pgcurfew::simulation
