#include "postgres/resolver.hpp"

#include <cstdint>
#include <mutex>
#include <utility>

#include <sys/timerfd.h>
#include <unistd.h>

namespace pgcurfew {

namespace {

Duration now() {
  return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

/// Shared with the threads of the look-ups. A timer makes `fd` readable, at the end of the grace or at once.
struct Resolver::Shared {
  Shared(std::size_t names, Duration grace)
      : fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
        grace_ends(now() + grace),
        left(names) {
    wake_at(grace_ends);
  }
  ~Shared() {
    if (fd >= 0) close(fd);
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  /// Requires the mutex, so that news is not delayed until the end of the grace.
  void wake_at(Duration when) const {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(when);
    itimerspec at{};
    at.it_value.tv_sec = seconds.count();
    // 0 would stop the timer
    at.it_value.tv_nsec = 1 + std::chrono::nanoseconds(when - seconds).count();
    timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, nullptr);
  }

  void end(const std::string& name, const LookUps::Numbers& numbers) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!numbers.empty()) addresses[name] = numbers;
    --left;
    wake_at(Duration::zero());
  }

  const int fd;
  const Duration grace_ends;
  std::mutex mutex;
  Addresses addresses;
  std::size_t left;  ///< look-ups that have not ended
};

Resolver::Resolver(const std::vector<std::string>& names, Duration grace,
                   const std::shared_ptr<LookUps>& look_ups)
    : shared_(std::make_shared<Shared>(names.size(), grace)) {
  for (const auto& name : names) {
    told_.push_back(std::make_shared<LookUps::Told>(
        [shared = shared_, name](const LookUps::Numbers& numbers) { shared->end(name, numbers); }));
    if (const auto asked = look_ups->ask(name, told_.back()); !asked) {
      error_ = asked.error();
      shared_->end(name, {});
    }
  }
}

int Resolver::fd() const {
  return shared_->fd;
}

void Resolver::acknowledge() const {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = read(shared_->fd, &count, sizeof count);
  if (shared_->left > 0 && now() < shared_->grace_ends) shared_->wake_at(shared_->grace_ends);
}

Resolver::Addresses Resolver::addresses() const {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  return shared_->addresses;
}

bool Resolver::is_complete() const {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  return shared_->left == 0;
}

bool Resolver::may_begin() const {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  return shared_->left == 0 || now() >= shared_->grace_ends;
}

}  // namespace pgcurfew
