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

/// What a decision rests on besides an age: each only where the rule asks for it.
struct Grounds {
  std::optional<std::size_t> blocks;         ///< how many wait for the session, of those that fit
  std::optional<SessionKey> longest_waiter;  ///< and who of them has waited longest
  std::optional<std::int64_t> xmin_age;
  std::optional<std::string> group;       ///< `user app, application_name web`; a stranger's bytes
  std::optional<std::size_t> group_size;  ///< of those that are due
  std::optional<std::size_t> keep;
  std::optional<double> connections_used;
  std::optional<Role> server_role;
  std::optional<ServerTime> open_until;  ///< the end of the stretch of the rule's hours
  std::optional<std::size_t> repeated;   ///< how often the rule has acted on such sessions so far
  bool has_skipped_cancel = false;       ///< a cancel before this step could not affect the session
};

/// All of them that rest on the look alone. `group_size`: of the case's group, for a rule with `keep`.
Grounds grounds_of(const Rule& rule, const Session& session, const Look& look, const Docket& docket,
                   std::size_t group_size);

}  // namespace pgcurfew
