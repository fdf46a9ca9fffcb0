#include "simulation/reader.hpp"

namespace pgcurfew::simulation {

using std::chrono::milliseconds;
using std::chrono::minutes;

Duration Reader::tell(Duration now, double stops, bool is_waited_for) {
  while (changes_at_ <= now) {
    is_reading_ = !random_.chance(stops);
    was_waited_for_ = was_waited_for_ && !is_reading_;
    changes_at_ += random_.log_span(milliseconds(1), minutes(10));
  }
  if (is_reading_) return {};
  if (is_waited_for) return changes_at_ - now;
  if (was_waited_for_) return {};
  was_waited_for_ = true;
  return milliseconds(10);
}

}  // namespace pgcurfew::simulation
