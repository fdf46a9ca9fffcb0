#pragma once

#include <map>
#include <optional>
#include <string_view>

#include "policy/policy.hpp"
#include "simulation/backend.hpp"

namespace pgcurfew::simulation::oracle {

/// What a policy says of a backend, worked out anew from the policy's words and with nothing of the engine.

/// All sessions of a server at one moment.
struct Scene {
  const std::map<std::int32_t, Backend>* sessions = nullptr;
  std::int64_t transactions = 0;  ///< how many the server has given numbers to
};

/// Why nobody may signal it, or "".
std::string_view untouchable(const Policy& policy, const Backend& backend, const Scene& scene);

/// Whether all conditions hold; ages aside.
bool fits(const Match& match, const Backend& backend, const Scene& scene);

/// Whether the rule's conditions hold and none of its exceptions takes the backend out for good.
bool applies(const Rule& rule, const Backend& backend, const Scene& scene);

/// What a rule asks of those who wait for the session.
struct Blocking {
  const BlocksTest* test = nullptr;  ///< its `blocks`
  bool is_asked = false;             ///< it has `blocks` or `blocks_for`
  bool is_for_waiters = false;       ///< it has `blocked_for`
  std::size_t at_least = 1;          ///< so many
  std::optional<Duration> patience;  ///< ... that have waited for so long
  std::optional<Duration> blocks_for;
};
Blocking blocking_of(const Rule& rule);

/// Since when the last of so many as the rule asks for waits for the session; nothing if fewer do.
std::optional<Stamp> blocking_since(const Rule& rule, const Backend& backend, const Scene& scene);

/// When the last of the rule's ages reaches its limit, or an exception's later one.
struct Due {
  ServerTime shown{};  ///< by the server's clock
  Duration steady{};   ///< by that clock without its steps
  Duration oldest{};   ///< the earliest of the timestamps it rests on, steady
  ServerTime oldest_shown{};
  ServerTime start{};  ///< the timestamp of the age that is reached last
};
/// Nothing if one of them is NULL.
std::optional<Due> due(const Rule& rule, const Backend& backend, const Scene& scene);

/// The serial of the timestamp of the rule's finest clock: while it stands, the episode goes on.
std::uint64_t episode(const Rule& rule, const Backend& backend);

/// Whether a cancel can have an effect as things are.
bool can_be_cancelled(const Backend& backend);

/// What a backend has in a field that rules group by, as text.
std::optional<std::string> value_of(const Backend& backend, Field field);

/// Since when a rule's hours are open without a break at a moment; nothing if they are closed then. Goes back
/// no further than two days.
std::optional<ServerTime> open_since(const Hours& hours, ServerTime time);

}  // namespace pgcurfew::simulation::oracle
