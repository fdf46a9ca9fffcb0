#pragma once

#include <chrono>

#include <time.h>

namespace pgcurfew::testing {

/// The processor time of this thread: waiting on a busy machine does not count.
inline std::chrono::nanoseconds processor_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace pgcurfew::testing
