#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "drains/drain_progress.hpp"
#include "drains/gate.hpp"
#include "engine/breaker.hpp"
#include "engine/claim.hpp"
#include "engine/session.hpp"
#include "engine/standing.hpp"
#include "policy/policy.hpp"
#include "watch/histogram.hpp"
#include "watch/holds.hpp"
#include "watch/server_facts.hpp"

namespace pgcurfew {

/// A claim on a session, and where it stood when the engine last decided.
struct ClaimPicture {
  SessionKey session;
  std::optional<std::string> database;
  std::optional<std::string> user;
  std::optional<std::string> application_name;
  std::optional<State> state;
  ClaimantKind kind = ClaimantKind::kRule;
  std::string claimant;  ///< the name of the rule or drain
  Mode mode = Mode::kDryRun;
  std::string episode;               ///< its id; empty: nothing was ordered yet
  std::optional<Stand> stand;        ///< empty: the engine has not decided since the look
  std::optional<ServerTime> since;   ///< from when on the wait for the step counts
  std::optional<ServerTime> due;     ///< when the step falls due
  std::optional<StepKind> step;      ///< the step in question
  std::size_t step_number = 0;       ///< of that step, from 1
  std::size_t step_count = 0;        ///< of the whole ladder
  std::optional<ServerTime> until;   ///< as Standing::until
  std::optional<Duration> until_in;  ///< the same for waits by our own clock, from the picture on
};

/// The claims of one rule, counted.
struct RulePicture {
  std::string name;
  Mode mode = Mode::kDryRun;
  std::vector<StepKind> steps;  ///< of its ladder
  std::size_t claims = 0;
  std::size_t episodes = 0;              ///< with a step that was ordered
  std::map<Stand, std::size_t> stands;   ///< the number of claims at each
  std::optional<Duration> paused_for{};  ///< by `pause`, from the picture on
};

/// A drain under way, or the last run of one that has ended.
struct DrainPicture {
  DrainProgress progress;     ///< `remaining` is cut at kMostRemaining
  std::size_t remaining = 0;  ///< the number of all of them
};

/// What a watch has done since it began; a number only grows.
struct WatchCounts {
  std::uint64_t signals_sent = 0;
  std::uint64_t signals_late = 0;  ///< of these, sent before their intent was in the record
  Histogram look_durations;
  Histogram overshoots;  ///< of steps of rules that took effect, or would have

  WatchCounts& operator+=(const WatchCounts& other) {
    signals_sent += other.signals_sent;
    signals_late += other.signals_late;
    look_durations += other.look_durations;
    overshoots += other.overshoots;
    return *this;
  }
};

/// What the watch of one server knows, does, and cannot do: a copy that does not change any more.
struct ServerPicture {
  /// The most claims that are shown; all are counted.
  static constexpr std::size_t kMostClaims = 200;
  static constexpr std::size_t kMostRemaining = 50;
  static constexpr std::size_t kMostBreakers = 50;

  std::string name;
  bool is_up = false;
  std::optional<ServerFacts> facts;  ///< of the last connection
  std::vector<Holds::Standing> holds;
  bool holds_still = false;  ///< a hold prevents that any rule acts

  std::optional<ServerTime> server_time;
  std::optional<WallTime> last_look;      ///< that could be read
  std::optional<Duration> look_age;       ///< how long ago that was
  Duration look_bound{};                  ///< an older look is a sign that something is wrong
  bool has_look = false;                  ///< over this connection and by this policy: what follows is of it
  std::size_t client_backends = 0;        ///< client sessions
  std::map<State, std::size_t> by_state;  ///< client sessions
  std::size_t without_state = 0;          ///< client sessions whose state is not known
  std::size_t hidden = 0;
  std::optional<Duration> next_due_in;

  std::vector<RulePicture> rules;  ///< in the order of the files
  /// Those that fall due first, in this order; those whose ladder does not go on (is_held_up) come last.
  std::vector<ClaimPicture> claims;
  std::size_t claim_count = 0;
  std::vector<DrainPicture> drains;
  struct Plan {
    std::string name;
    Mode mode = Mode::kDryRun;
    std::size_t closed_gates = 0;
  };
  std::vector<Plan> planned_drains;  ///< all drains of the policy
  static constexpr std::size_t kMostGates = 50;
  std::vector<ClosedGate> gates;  ///< closed by pgcurfew, any instance, as last read
  std::size_t gate_count = 0;

  /// The open breakers of rules in one mode.
  struct Breakers {
    Mode mode = Mode::kEnforce;
    bool is_servers = false;            ///< the server's is open
    std::size_t tenants = 0;            ///< how many of tenants are
    std::vector<Breaker::Open> open{};  ///< the server's first; at most kMostBreakers
  };
  std::vector<Breakers> breakers;  ///< of enforcement, and of dry runs, which hold nothing

  std::size_t orders_in_flight = 0;
  WatchCounts counts;
};

}  // namespace pgcurfew
