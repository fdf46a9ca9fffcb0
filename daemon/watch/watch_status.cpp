#include "watch/watch.hpp"

/// The part of a watch that fills the status line.
namespace pgcurfew {

WatchStatus Watch::status() const {
  WatchStatus status;
  status.is_up = !holds_.has(Hold::kDown);
  status.client_backends = look_ ? docket_.client_backends : 0;
  if (next_due_ && clock_.is_known()) status.next_due = clock_.when(*next_due_);
  status.signals_sent = signals_sent_;
  status.signals_late = signals_late_;
  status.drains = drains_text();
  status.holds = holds_.shown();
  return status;
}

}  // namespace pgcurfew
