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
  const bool too_many = due > at_once;
  const bool was_announced = announced_until_ && now <= *announced_until_;
  announced_until_.reset();
  if (too_many) announced_until_ = now + 2 * safety.quiet;
  if (too_many && !was_announced) {
    open_until_ = now + safety.quiet;
    return {0, Trip::kShare};
  }
  while (!sent_.empty() && sent_.front() + safety.per <= now) sent_.pop_front();
  const auto bound = static_cast<std::size_t>(safety.signals);
  const auto room = bound > sent_.size() ? bound - sent_.size() : 0;
  const auto admitted = std::min({due, at_once, room});
  sent_.insert(sent_.end(), admitted, now);
  if (admitted == due) return {admitted, Trip::kNone};
  open_until_ = now + safety.quiet;
  return {admitted, admitted == at_once ? Trip::kShare : Trip::kSignals};
}

void Breaker::refund() {
  if (!sent_.empty()) sent_.pop_back();
}

bool Breaker::close_if_quiet(MonotonicTime now) {
  if (!open_until_ || now < *open_until_) return false;
  open_until_.reset();
  return true;
}

}  // namespace pgcurfew
