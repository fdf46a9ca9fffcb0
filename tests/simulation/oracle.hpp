#pragma once

#include <map>
#include <optional>
#include <string_view>

#include "policy/policy.hpp"
#include "simulation/backend.hpp"

namespace pgcurfew::simulation::oracle {

/// What a policy means for a backend, computed from the policy independently of the engine.

/// All sessions of a server at one time.
struct Scene {
  const std::map<std::int32_t, Backend>* sessions = nullptr;
  std::int64_t transactions = 0;  ///< the number of transaction IDs that the server has assigned
};

/// Why the backend may never be signalled, or "".
std::string_view untouchable(const Policy& policy, const Backend& backend, const Scene& scene);

/// Whether all conditions hold, without the ages.
bool fits(const Match& match, const Backend& backend, const Scene& scene);

/// Whether the rule's conditions hold and no exception without ages matches the backend.
bool applies(const Rule& rule, const Backend& backend, const Scene& scene);

/// A rule's conditions on sessions that wait.
struct Blocking {
  const BlocksTest* test = nullptr;  ///< its `blocks`
  bool is_asked = false;             ///< it has `blocks` or `blocks_for`
  bool is_for_waiters = false;       ///< it has `blocked_for`
  std::size_t at_least = 1;          ///< the number of waiters
  std::optional<Duration> patience;  ///< the time for which they have waited
  std::optional<Duration> blocks_for;
};
Blocking blocking_of(const Rule& rule);

/// When the `at_least`-th waiter began to wait for the session; empty if there are fewer.
std::optional<Stamp> blocking_since(const Rule& rule, const Backend& backend, const Scene& scene);

/// When the last of the rule's ages reaches its limit, or the later limit of an exception.
struct Due {
  ServerTime shown{};  ///< by the server's clock
  Duration steady{};   ///< by that clock without its steps
  Duration oldest{};   ///< the earliest of the timestamps used, steady
  ServerTime oldest_shown{};
  ServerTime start{};  ///< the timestamp of the age that is reached last
};
/// Empty if one of the timestamps is NULL.
std::optional<Due> due(const Rule& rule, const Backend& backend, const Scene& scene);

/// The serial of the timestamp of the rule's finest clock: as long as it does not change, the episode
/// continues.
std::uint64_t episode(const Rule& rule, const Backend& backend);

/// Whether a cancel can have an effect in the backend's present state.
bool can_be_cancelled(const Backend& backend);

/// The value of a field by which rules group, as text.
std::optional<std::string> value_of(const Backend& backend, Field field);

/// The beginning of the unbroken open hours that contain `time`; empty if they are closed then. Goes back at
/// most two days.
std::optional<ServerTime> open_since(const Hours& hours, ServerTime time);

}  // namespace pgcurfew::simulation::oracle
