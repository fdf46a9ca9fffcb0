#include "engine/breaker.hpp"

#include <algorithm>
#include <cmath>

namespace pgcurfew {

Breaker::Admission Breaker::admit(const Safety& safety, std::size_t due, std::size_t client_backends,
                                  MonotonicTime now) {
  if (due == 0 || is_open()) return {};
  const auto share =
      static_cast<std::size_t>(std::floor(safety.share * static_cast<double>(client_backends)));
  const auto at_once = std::max(kAlwaysPass, share);
  while (!sent_.empty() && sent_.front() + std::max(safety.per, kAtOnce) <= now) sent_.pop_front();
  const auto sent_since = [&](Duration time) {
    return static_cast<std::size_t>(
        std::count_if(sent_.begin(), sent_.end(), [&](MonotonicTime sent) { return sent + time > now; }));
  };
  const auto just_sent = sent_since(kAtOnce);
  const bool too_many = just_sent + due > at_once;
  const bool was_announced = announced_until_ && now <= *announced_until_;
  announced_until_.reset();
  if (too_many) announced_until_ = now + 2 * safety.quiet;
  if (too_many && !was_announced) {
    open_until_ = now + safety.quiet;
    return {0, Trip::kShare, just_sent, at_once};
  }
  const auto room_below = [](std::size_t bound, std::size_t taken) {
    return bound > taken ? bound - taken : 0;
  };
  const auto room_at_once = room_below(at_once, just_sent);
  const auto signals = static_cast<std::size_t>(safety.signals);
  const auto sent_in_time = sent_since(safety.per);
  const auto room = room_below(signals, sent_in_time);
  const auto admitted = std::min({due, room_at_once, room});
  sent_.insert(sent_.end(), admitted, now);
  if (admitted == due) return {admitted, Trip::kNone, 0, 0};
  open_until_ = now + safety.quiet;
  if (admitted == room_at_once) return {admitted, Trip::kShare, just_sent, at_once};
  return {admitted, Trip::kSignals, sent_in_time, signals};
}

void Breaker::refund(MonotonicTime admitted_at) {
  const auto found = std::lower_bound(sent_.begin(), sent_.end(), admitted_at);
  if (found != sent_.end() && *found == admitted_at) sent_.erase(found);
}

bool Breaker::close_if_quiet(MonotonicTime now) {
  if (!open_until_ || now < *open_until_) return false;
  open_until_.reset();
  return true;
}

}  // namespace pgcurfew
