#include "system/process_counts.hpp"

#include <fstream>
#include <memory>

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

namespace pgcurfew {

namespace {

double seconds_in(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double count_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc/self/fd"), closedir);
  if (!directory) return 0;
  double number = 0;
  while (const auto* entry = readdir(directory.get())) {
    if (entry->d_name[0] != '.') ++number;
  }
  // one of them is the directory's
  return number - 1;
}

}  // namespace

ProcessCounts count_process() {
  ProcessCounts counts;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0)
    counts.cpu_s = seconds_in(usage.ru_utime) + seconds_in(usage.ru_stime);
  std::ifstream pages("/proc/self/statm");
  double all = 0;
  double resident = 0;
  if (pages >> all >> resident) counts.resident_bytes = resident * static_cast<double>(sysconf(_SC_PAGESIZE));
  counts.open_descriptors = count_descriptors();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) counts.most_descriptors = static_cast<double>(limit.rlim_cur);
  return counts;
}

}  // namespace pgcurfew
