#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"

struct sd_event;
struct sd_event_source;

namespace pgcurfew {

/// The sender of a signal.
enum class SignalSender {
  kProcess,
  kTerminal,  ///< the kernel, for a terminal
};

/// The one event loop (sd-event). Callbacks must not throw and must not block.
class Loop {
 public:
  /// *Errors*: the kernel refuses a descriptor.
  static Result<Loop> create();

  Loop(Loop&&) noexcept;
  Loop& operator=(Loop&&) noexcept;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  /// CLOCK_MONOTONIC, read now.
  static MonotonicTime now();

  /// CLOCK_REALTIME, read now.
  static WallTime wall_time();

  /// Calls back when a signal arrives. The signal is blocked from now on and comes through the loop only.
  Result<void> on_signal(int signal, std::function<void(SignalSender)> callback);

  /// Notifies systemd's watchdog regularly that the loop runs, if systemd requested that.
  void start_watchdog();

  /// Runs until exit(); returns its code.
  int run();
  void exit(int code);

 private:
  friend class Timer;
  friend class Readiness;
  explicit Loop(sd_event* event) : event_(event) {}
  sd_event* event_ = nullptr;
};

/// A timer that calls back once, to the microsecond.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void arm(MonotonicTime time);
  void disarm();

  void fire() const { callback_(); }

 private:
  sd_event* event_;
  sd_event_source* source_ = nullptr;
  std::function<void()> callback_;
};

/// Calls back when a descriptor can be read or, if requested, written.
class Readiness {
 public:
  Readiness(Loop& loop, std::function<void()> callback);
  ~Readiness();
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  /// `fd` -1: none. `may_have_moved`: the same number may now be another descriptor.
  void watch(int fd, bool write, bool may_have_moved);

  void fire() const { callback_(); }

 private:
  void drop();
  sd_event* event_;
  sd_event_source* source_ = nullptr;
  int fd_ = -1;
  bool write_ = false;
  std::function<void()> callback_;
};

/// Notifies the service manager; does nothing if there is none. `state` as in sd_notify(3).
void notify_manager(const std::string& state);

}  // namespace pgcurfew
