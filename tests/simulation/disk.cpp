#include "simulation/disk.hpp"

namespace pgcurfew::simulation {

using std::chrono::milliseconds;
using std::chrono::seconds;

Disk::Answer Disk::append(Duration now, const Faults& faults) {
  if (random_.chance(faults.disk_fails)) {
    fails_until_ = now + random_.log_span(milliseconds(100), seconds(60));
  }
  if (now < fails_until_) return {random_.log_span(Duration(20), milliseconds(20)), true};
  if (random_.chance(faults.disk_stalls)) return {random_.log_span(milliseconds(2), seconds(20)), false};
  return {random_.log_span(Duration(20), milliseconds(1)), false};
}

}  // namespace pgcurfew::simulation
