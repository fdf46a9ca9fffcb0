#pragma once

#include "simulation/random.hpp"

namespace pgcurfew::simulation {

/// The reader of an instance's output: a terminal or a pipe. It stops now and then.
class Reader {
 public:
  explicit Reader(Random random) : random_(random) {}

  /// For how long a line written now blocks the instance, as report/output.hpp permits it: once for each time
  /// that the reader stops. `stops`: the share of the time in which it does not read; `is_waited_for`: the
  /// instance waits without limit.
  Duration tell(Duration now, double stops, bool is_waited_for);

 private:
  Random random_;
  bool is_reading_ = true;
  bool was_waited_for_ = false;  ///< since the reader stopped
  Duration changes_at_{};
};

}  // namespace pgcurfew::simulation
