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
  kGating,       ///< the gates are being closed; no session is signalled yet
  kWaiting,      ///< waits for sessions to end by themselves
  kCancelling,   ///< statements are cancelled
  kTerminating,  ///< sessions are terminated
  kEmpty,        ///< no session is left
  kReopening,    ///< the gates are being opened
  kDone,
};
std::string_view name_of(DrainPhase phase);  ///< `gating`, `waiting`, `cancelling`, ...

/// A session that is still in a drained database, and why.
struct Remaining {
  SessionKey session;
  std::string database;
  std::optional<std::string> user;
  std::optional<std::string> application_name;
  std::optional<State> state;
  std::optional<std::string> wait_event;
  /// `protected: dumps`, `denied`, `latecomer`, ...; empty: the drain will end it.
  std::string reason;
};

/// The state of a drain, to be reported at any time.
struct DrainProgress {
  std::string drain;
  DrainPhase phase = DrainPhase::kGating;
  Mode mode = Mode::kDryRun;
  std::vector<std::string> databases;
  ServerTime began{};
  std::optional<ServerTime> ends;       ///< empty: not before `pgcurfew reopen`
  std::optional<ServerTime> next_step;  ///< when the ladder's next step begins
  std::optional<ServerTime> gives_up;   ///< unless the databases are empty by then
  bool has_looked = false;              ///< there was a look, after the gates closed if they did
  std::vector<Remaining> remaining;     ///< as of the last look, including sessions that may be in them
  std::size_t hidden = 0;               ///< sessions that our role cannot see; they may be in the databases
  std::vector<std::string> logging_in;  ///< pids of clients that may have got in but are still logging in
  bool was_emptied = false;             ///< at some time since the drain began
  bool gave_up = false;
  bool yielded = false;     ///< another client opened the gate
  bool has_opened = false;  ///< at its end, the first of its gates
  std::size_t closed = 0;   ///< gates that are closed, or may be
  std::string trouble;      ///< why a gate is not closed, or not open again
  /// What keeps a gate from being closed at every attempt; a scheduled drain still tries again.
  std::optional<Error> obstacle;
  std::size_t cancelled = 0;
  std::size_t terminated = 0;
};

}  // namespace pgcurfew
