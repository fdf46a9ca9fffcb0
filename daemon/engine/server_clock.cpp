#include "engine/server_clock.hpp"

namespace pgcurfew {

namespace {
/// An old sample loses precision with every second: clocks drift apart by up to this fraction.
constexpr std::int64_t kDriftPart = 10'000;  // 100 ppm
constexpr int kLooksToTrustAgain = 2;
}  // namespace

ServerClockEstimate::Sample ServerClockEstimate::observe(MonotonicTime sent, MonotonicTime received,
                                                         ServerTime server, bool is_look) {
  const Duration lowest = server.time_since_epoch() - received.time_since_epoch();
  const Duration highest = server.time_since_epoch() - sent.time_since_epoch();
  bool jumped = false;
  if (known_) {
    const Duration drift = (received - taken_) / kDriftPart;
    if (lowest > offset_ + uncertainty_ + drift + kTolerance) {
      jumped = true;
      last_jump_ = lowest - offset_;
    } else if (highest < offset_ - drift - kTolerance) {
      jumped = true;
      last_jump_ = highest - offset_;
    }
  }
  const Duration width = highest - lowest;
  const Duration aged = known_ ? uncertainty_ + (received - taken_) / kDriftPart : Duration(0);
  if (known_) note_step(lowest, highest, aged, received);
  newest_ = received;
  newest_server_time_ = server;
  // outside the old interval the old sample is wrong, however narrow it was
  const bool contradicts = known_ && (lowest > offset_ + aged || highest < offset_);
  if (!known_ || jumped || contradicts || width <= aged) {
    offset_ = lowest;
    uncertainty_ = width;
    taken_ = received;
  }
  known_ = true;
  if (jumped) {
    suspicious_ = true;
    agreeing_looks_ = is_look ? 1 : 0;
    return Sample::kJumped;
  }
  if (suspicious_ && is_look && ++agreeing_looks_ >= kLooksToTrustAgain) suspicious_ = false;
  return Sample::kAgrees;
}

/// `aged`: how much wider the old interval has become since its sample.
void ServerClockEstimate::note_step(Duration lowest, Duration highest, Duration aged,
                                    MonotonicTime received) {
  const Duration old_lowest = offset_ - (aged - uncertainty_);
  const Duration old_highest = offset_ + aged;
  const bool forward = lowest > old_highest + kNoticeable;
  const bool back = highest < old_lowest - kNoticeable;
  if (!forward && !back) return;
  steps_.note(highest - old_lowest, ServerTime(received.time_since_epoch() + old_highest),
              newest_server_time_ + (lowest - old_highest));
}

ServerTime ServerClockEstimate::at(MonotonicTime now) const {
  return ServerTime(now.time_since_epoch() + offset_);
}

MonotonicTime ServerClockEstimate::when(ServerTime time) const {
  return MonotonicTime(time.time_since_epoch() - offset_);
}

}  // namespace pgcurfew
