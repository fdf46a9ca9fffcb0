#include "system/loop.hpp"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

namespace pgcurfew {

namespace {

tl::unexpected<Error> system_failure(std::string_view what, int code) {
  return failure(fmt::format("{}: {}", what, std::strerror(code < 0 ? -code : code)));
}

int timer_fired(sd_event_source*, std::uint64_t, void* userdata) noexcept {
  static_cast<const Timer*>(userdata)->fire();
  return 0;
}

int descriptor_ready(sd_event_source*, int, std::uint32_t, void* userdata) noexcept {
  static_cast<const Readiness*>(userdata)->fire();
  return 0;
}

using SignalCallback = std::function<void(SignalSender)>;

int signal_arrived(sd_event_source*, const signalfd_siginfo* info, void* userdata) noexcept {
  const auto sender = info->ssi_code == SI_KERNEL ? SignalSender::kTerminal : SignalSender::kProcess;
  (*static_cast<const SignalCallback*>(userdata))(sender);
  return 0;
}

void destroy_callback(void* userdata) noexcept {
  delete static_cast<SignalCallback*>(userdata);
}

}  // namespace

Result<Loop> Loop::create() {
  sd_event* event = nullptr;
  const int code = sd_event_new(&event);
  if (code < 0) return system_failure("could not make an event loop", code);
  return Loop(event);
}

Loop::Loop(Loop&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}

Loop& Loop::operator=(Loop&& other) noexcept {
  std::swap(event_, other.event_);
  return *this;
}

Loop::~Loop() {
  sd_event_unref(event_);
}

MonotonicTime Loop::now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return MonotonicTime(std::chrono::seconds(time.tv_sec) +
                       std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(time.tv_nsec)));
}

WallTime Loop::wall_time() {
  return WallTime(std::chrono::floor<Duration>(std::chrono::system_clock::now().time_since_epoch()));
}

Result<void> Loop::on_signal(int signal, SignalCallback callback) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  if (sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return system_failure("could not block a signal", errno);
  auto owned = std::make_unique<SignalCallback>(std::move(callback));
  sd_event_source* source = nullptr;
  int code = sd_event_add_signal(event_, &source, signal, signal_arrived, owned.get());
  if (code >= 0) code = sd_event_source_set_destroy_callback(source, destroy_callback);
  if (code < 0) {
    sd_event_source_unref(source);
    return system_failure("could not wait for a signal", code);
  }
  static_cast<void>(owned.release());  // the source owns it now
  sd_event_source_set_floating(source, 1);
  sd_event_source_unref(source);
  return {};
}

void Loop::start_watchdog() {
  sd_event_set_watchdog(event_, 1);
}

int Loop::run() {
  return sd_event_loop(event_);
}
void Loop::exit(int code) {
  sd_event_exit(event_, code);
}

Timer::Timer(Loop& loop, std::function<void()> callback)
    : event_(loop.event_), callback_(std::move(callback)) {}

Timer::~Timer() {
  sd_event_source_disable_unref(source_);
}

void Timer::arm(MonotonicTime time) {
  const auto microseconds =
      static_cast<std::uint64_t>(std::max<std::int64_t>(1, time.time_since_epoch().count()));
  if (source_ == nullptr) {
    // accuracy 0 would mean a quarter of a second without its alarm a watch would silently sleep for ever:
    // end, so that the service manager restarts us
    if (sd_event_add_time(event_, &source_, CLOCK_MONOTONIC, microseconds, 1, timer_fired, this) < 0)
      std::abort();
    return;
  }
  sd_event_source_set_time(source_, microseconds);
  sd_event_source_set_enabled(source_, SD_EVENT_ONESHOT);
}

void Timer::disarm() {
  if (source_ != nullptr) sd_event_source_set_enabled(source_, SD_EVENT_OFF);
}

Readiness::Readiness(Loop& loop, std::function<void()> callback)
    : event_(loop.event_), callback_(std::move(callback)) {}

Readiness::~Readiness() {
  drop();
}

void Readiness::drop() {
  source_ = sd_event_source_disable_unref(source_);
  fd_ = -1;
}

void Readiness::watch(int fd, bool write, bool may_have_moved) {
  const std::uint32_t events = EPOLLIN | (write ? std::uint32_t{EPOLLOUT} : 0U);
  if (fd < 0) return drop();
  if (source_ != nullptr && fd == fd_ && !may_have_moved) {
    if (write != write_) sd_event_source_set_io_events(source_, events);
    write_ = write;
    return;
  }
  drop();
  if (sd_event_add_io(event_, &source_, fd, events, descriptor_ready, this) >= 0) {
    // input that has arrived is read before any deadline is checked
    sd_event_source_set_priority(source_, SD_EVENT_PRIORITY_IMPORTANT);
    fd_ = fd;
    write_ = write;
  }
}

void notify_manager(const std::string& state) {
  sd_notify(0, state.c_str());
}

}  // namespace pgcurfew
