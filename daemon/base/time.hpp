#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pgcurfew {

using Duration = std::chrono::microseconds;

/// PostgreSQL's wall clock. It has no now(): only the server reads it.
struct ServerClock {
  using rep = std::int64_t;
  using period = std::micro;
  using duration = Duration;
  using time_point = std::chrono::time_point<ServerClock>;
  static constexpr bool is_steady = false;
};

/// Our own clock for waits (CLOCK_MONOTONIC). It has no now() either: time is a parameter, and only system/
/// reads the clock.
struct MonotonicClock {
  using rep = std::int64_t;
  using period = std::micro;
  using duration = Duration;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};

/// A moment on the server's clock; all ages are differences of two of these.
/// *Units*: microseconds since 2000-01-01 00:00 UTC, PostgreSQL's own epoch, so that a binary timestamptz is
/// used as it is.
using ServerTime = ServerClock::time_point;

/// A moment on our clock, used for all waits and deadlines. Subtracting it from a ServerTime does not
/// compile.
using MonotonicTime = MonotonicClock::time_point;

/// This machine's wall clock, used only in output; no decision depends on it. It has no now() either.
struct WallClock {
  using rep = std::int64_t;
  using period = std::micro;
  using duration = Duration;
  using time_point = std::chrono::time_point<WallClock>;
  static constexpr bool is_steady = false;
};

/// *Units*: microseconds since 1970-01-01 00:00 UTC.
using WallTime = WallClock::time_point;

/// Both clocks at one instant: the time that the engine gets.
struct Now {
  ServerTime server;
  MonotonicTime monotonic;
};

/// A server time as PostgreSQL would print it in UTC, e.g. `2026-11-23 04:05:06.000001+00`.
std::string to_text(ServerTime time);

/// The session identifier of log_line_prefix's %c: backend_start's Unix seconds and the pid, both in hex.
/// *Source*: PostgreSQL manual, 20.8.3, log_line_prefix.
std::string session_id_text(ServerTime backend_start, std::int32_t pid);

}  // namespace pgcurfew
