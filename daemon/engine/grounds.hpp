#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/time.hpp"
#include "engine/docket.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// What a decision relies on besides an age: each only if the rule uses it.
struct Grounds {
  std::optional<std::size_t> blocks;         ///< how many matching sessions wait for it
  std::optional<SessionKey> longest_waiter;  ///< the one that has waited longest
  std::optional<std::string> longest_waiter_user;
  std::optional<std::string> longest_waiter_application_name;
  std::optional<std::int64_t> xmin_age;
  std::optional<std::string> group;       ///< `user app, application_name web`; may be any bytes
  std::optional<std::size_t> group_size;  ///< of those that are due
  std::optional<std::size_t> keep;
  std::optional<double> connections_used;
  std::optional<Role> server_role;
  std::optional<ServerTime> open_until;  ///< the end of the rule's present hours
  std::optional<std::size_t> repeated;   ///< how often the rule has acted on such sessions so far
  bool has_skipped_cancel = false;       ///< a cancel before this step could not affect the session
};

/// Those that rely on the look alone. `group_size`: of the case's group, for a rule with `keep`.
Grounds grounds_of(const Rule& rule, const Session& session, const Look& look, const Docket& docket,
                   std::size_t group_size);

}  // namespace pgcurfew
