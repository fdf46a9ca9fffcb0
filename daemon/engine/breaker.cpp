#include "engine/breaker.hpp"

#include <algorithm>
#include <cmath>

namespace pgcurfew {

Breaker::Admission Breaker::admit(const Safety& safety, std::size_t due, std::size_t client_backends,
                                  MonotonicTime now) {
  if (due == 0 || is_open()) return {};
  const auto share =
      static_cast<std::size_t>(std::floor(safety.share * static_cast<double>(client_backends)));
  if (due > std::max(kAlwaysPass, share)) {
    open_until_ = now + safety.quiet;
    return {0, Trip::kShare};
  }
  while (!sent_.empty() && sent_.front() + safety.per <= now) sent_.pop_front();
  const auto bound = static_cast<std::size_t>(safety.signals);
  const auto room = bound > sent_.size() ? bound - sent_.size() : 0;
  const auto admitted = std::min(due, room);
  sent_.insert(sent_.end(), admitted, now);
  if (admitted == due) return {admitted, Trip::kNone};
  open_until_ = now + safety.quiet;
  return {admitted, Trip::kSignals};
}

bool Breaker::close_if_quiet(MonotonicTime now) {
  if (!open_until_ || now < *open_until_) return false;
  open_until_.reset();
  return true;
}

}  // namespace pgcurfew
