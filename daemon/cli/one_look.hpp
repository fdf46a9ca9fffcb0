#pragma once

#include <optional>
#include <vector>

#include "base/result.hpp"
#include "drains/gate.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"
#include "watch/watch.hpp"

namespace pgcurfew {

/// What one look at one server brought.
struct OneLook {
  std::optional<ServerFacts> facts;
  std::optional<Look> look;    ///< with the texts of the queries
  Error error;                 ///< if there is no look
  std::optional<Gates> gates;  ///< if they were asked for; without what the journal knows
  Error gates_error;           ///< if they could not be read
};

/// Whether drains want to know of the gates of databases too.
enum class LookAt { kSessions, kGatesToo };

/// Looks once at every server of the policy, at all of them at the same time.
/// *Shapes*: in the order of Policy::servers. *Units*: gives up on a server after ten seconds.
std::vector<OneLook> look_once(const Policy& policy, LookAt what = LookAt::kSessions);

/// Whether our role may signal: everybody who is no superuser, or at least each session that a rule of this
/// server's policy would signal now or later.
bool may_signal(const Policy& policy, const OneLook& seen);

/// Says on standard error why there is no look at a server, or which privilege is missing there.
void complain_of(const Policy& policy, const Server& server, const OneLook& seen);

/// *Errors*: 69 if the server is out of reach, 77 if a privilege is missing there.
int exit_code_of(const Policy& policy, const OneLook& seen);

/// Of two exit statuses of looks the worse one: out of reach is worse than a missing privilege.
int worse(int a, int b);

}  // namespace pgcurfew
