#pragma once

#include <optional>
#include <string_view>

#include "policy/policy.hpp"
#include "simulation/backend.hpp"

namespace pgcurfew::simulation::oracle {

/// What a policy says of a backend, worked out anew from the policy's words and with nothing of the engine.

/// Why nobody may signal it, or "".
std::string_view untouchable(const Policy& policy, const Backend& backend);

/// Whether all conditions hold; ages aside.
bool fits(const Match& match, const Backend& backend);

/// Whether the rule's conditions hold and none of its exceptions takes the backend out for good.
bool applies(const Rule& rule, const Backend& backend);

/// When the last of the rule's ages reaches its limit, or an exception's later one.
struct Due {
  ServerTime shown{};  ///< by the server's clock
  Duration steady{};   ///< by that clock without its steps
  Duration oldest{};   ///< the earliest of the timestamps it rests on, steady
  ServerTime oldest_shown{};
};
/// Nothing if one of them is NULL.
std::optional<Due> due(const Rule& rule, const Backend& backend);

/// The serial of the timestamp of the rule's finest clock: while it stands, the episode goes on.
std::uint64_t episode(const Rule& rule, const Backend& backend);

/// Whether a cancel can have an effect as things are.
bool can_be_cancelled(const Backend& backend);

}  // namespace pgcurfew::simulation::oracle
