#include "system/wakeup.hpp"

#include <cstdint>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "system/careful_files.hpp"

namespace pgcurfew {

Wakeup::Wakeup(Loop& loop, std::function<void()> callback)
    : event_(std::make_shared<Descriptor>(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))),
      callback_(std::move(callback)),
      readiness_(loop, [this] {
        std::uint64_t count = 0;
        [[maybe_unused]] const auto got = ::read(event_->number(), &count, sizeof count);
        callback_();
      }) {
  readiness_.watch(event_->number(), false, false);
}

Wakeup::~Wakeup() = default;

std::function<void()> Wakeup::caller() const {
  return [event = event_] {
    const std::uint64_t one = 1;
    // cannot fail: the counter of an eventfd is far from full
    [[maybe_unused]] const auto written = ::write(event->number(), &one, sizeof one);
  };
}

bool Wakeup::is_open() const {
  return event_->is_open();
}

}  // namespace pgcurfew
