#include "app/picture_exchange.hpp"

#include <utility>

#include "system/loop.hpp"

namespace pgcurfew {

std::shared_ptr<const Picture> PictureExchange::recent() {
  std::unique_lock held(mutex_);
  const auto now = Loop::now();
  auto before = picture_;
  const bool is_fresh = before && now - before->drawn <= kFresh;
  if (is_fresh || is_closed_) return before;
  ask_();
  if (!asked_at_) asked_at_ = now;
  // many readers do not wait one after the other for a loop that hangs
  if (now < in_vain_until_) return before;
  const bool is_there = offered_.wait_for(held, kPatience, [&] { return is_closed_ || picture_ != before; });
  if (!is_there) in_vain_until_ = Loop::now() + kFresh;
  return picture_;
}

void PictureExchange::offer(std::shared_ptr<const Picture> picture) {
  {
    const std::unique_lock held(mutex_);
    picture_.swap(picture);
    asked_at_.reset();
  }
  // the one before is given back here, without the lock
  offered_.notify_all();
}

Duration PictureExchange::silence() const {
  const std::unique_lock held(mutex_);
  return asked_at_ ? Loop::now() - *asked_at_ : Duration(0);
}

void PictureExchange::close() {
  {
    const std::unique_lock held(mutex_);
    is_closed_ = true;
  }
  offered_.notify_all();
}

}  // namespace pgcurfew
