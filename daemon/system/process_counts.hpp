#pragma once

namespace pgcurfew {

/// What the kernel counts for this process; what it does not tell is 0.
struct ProcessCounts {
  double cpu_s = 0;  ///< of user and system
  double resident_bytes = 0;
  double open_descriptors = 0;
  double most_descriptors = 0;
};

/// Any thread may call it.
ProcessCounts count_process();

}  // namespace pgcurfew
