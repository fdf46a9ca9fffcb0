#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

enum class DrainPhase {
  kGating,       ///< the gates are being closed; nobody is signalled yet
  kWaiting,      ///< for sessions to end by themselves
  kCancelling,   ///< statements are cancelled
  kTerminating,  ///< sessions are terminated
  kEmpty,        ///< nobody is left
  kReopening,    ///< the gates are being opened
  kDone,
};
std::string_view name_of(DrainPhase phase);  ///< `gating`, `waiting`, `cancelling`, ...

/// Who is still in a database that is being drained, and why.
struct Remaining {
  SessionKey session;
  std::string database;
  std::optional<std::string> user;
  std::optional<std::string> application_name;
  std::optional<State> state;
  std::optional<std::string> wait_event;
  /// `protected: dumps`, `denied`, `latecomer`, ...; empty: it is being dealt with.
  std::string reason;
};

/// What there is to tell of a drain at any time.
struct DrainProgress {
  std::string drain;
  DrainPhase phase = DrainPhase::kGating;
  Mode mode = Mode::kDryRun;
  std::vector<std::string> databases;
  ServerTime began{};
  std::optional<ServerTime> ends;       ///< nothing: until somebody says `reopen`
  std::optional<ServerTime> next_step;  ///< when the ladder's next step begins
  std::optional<ServerTime> gives_up;   ///< unless it is empty by then
  bool has_looked = false;              ///< there was a look, since the gates closed if they did
  std::vector<Remaining> remaining;     ///< as of the last look, with those of whom that is not certain
  std::size_t hidden = 0;               ///< sessions that our role cannot see, which may be in there
  std::vector<std::string>
      logging_in;            ///< pids of those who may have come past the gate, and are not there yet
  bool was_emptied = false;  ///< at some time since it began
  bool gave_up = false;
  bool yielded = false;     ///< another client opened the gate
  bool has_opened = false;  ///< at its end, of its gates the first
  std::size_t closed = 0;   ///< gates that are closed, or may be
  std::string trouble;      ///< why a gate is not closed, or not open again
  /// What keeps a gate from being closed however often it is tried; a scheduled drain tries on all the same.
  std::optional<Error> obstacle;
  std::size_t cancelled = 0;
  std::size_t terminated = 0;
};

}  // namespace pgcurfew
