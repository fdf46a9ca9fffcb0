#include <fmt/format.h>

#include "base/words.hpp"
#include "watch/watch.hpp"

/// What a watch says of itself in the status line.
namespace pgcurfew {

WatchStatus Watch::status() const {
  WatchStatus status;
  status.is_up = link_ == Link::kUp;
  status.client_backends = look_ ? docket_.client_backends : 0;
  if (next_due_ && clock_.is_known()) status.next_due = clock_.when(*next_due_);
  status.signals_sent = signals_sent_;
  status.drains = drains_text();
  if (!status.is_up) {
    status.trouble = "out of reach";
  } else if (facts_ && !facts_->can_read_all_stats) {
    status.trouble = "lacks pg_read_all_stats";
  } else if (facts_ && facts_->lacks_signal()) {
    status.trouble = "lacks pg_signal_backend";
  } else if (failed_looks_ > 0) {
    status.trouble = "cannot look";
  } else if (hidden_ > 0) {
    status.trouble = fmt::format("{} sessions hidden", hidden_);
  } else if (nameless_ > 0) {
    status.trouble = fmt::format("{} sessions without a name", nameless_);
  } else if (look_ && look_->waits_failed) {
    status.trouble = "cannot read lock waits";
  } else if (clock_.is_known() && !clock_.is_trusted()) {
    status.trouble = "clock jumped";
  } else if (ledger_.breaker.is_open()) {
    status.trouble = "breaker open";
  } else if (const auto tenants = ledger_.breaker.open_tenants(); tenants > 0) {
    status.trouble = fmt::format("breaker open for {} tenant{}", tenants, tenants == 1 ? "" : "s");
  }
  return status;
}

}  // namespace pgcurfew
