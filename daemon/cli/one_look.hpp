#pragma once

#include <optional>
#include <vector>

#include "base/result.hpp"
#include "drains/gate.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"
#include "watch/watch.hpp"

namespace pgcurfew {

/// The result of one look at one server.
struct OneLook {
  std::optional<ServerFacts> facts;
  std::optional<Look> look;               ///< with the texts of the queries
  Error error;                            ///< if there is no look
  std::optional<Gates> gates;             ///< if requested; without the entries of the journal
  Error gates_error;                      ///< if they could not be read
  std::optional<Error> server_log_error;  ///< why its own log could not be told, if that was tried
};

/// `kEverything`: also at the gates of databases, and whether the server's own log can be told, if the policy
/// wants that.
enum class LookAt { kSessions, kEverything };

/// Takes one look at every server of the policy, all at the same time.
/// *Shapes*: in the order of Policy::servers. *Units*: waits at most ten seconds for a server.
std::vector<OneLook> look_once(const Policy& policy, LookAt what = LookAt::kSessions);

/// Whether our role may signal all sessions that are not a superuser's, or at least those that a rule or
/// drain of this server's policy would signal now or later.
bool may_signal(const Policy& policy, const OneLook& seen);

/// Prints on standard error why there is no look at a server, or which privilege is missing there.
void complain_of(const Policy& policy, const Server& server, const OneLook& seen);

/// *Errors*: 69 if the server is out of reach, 77 if a privilege is missing there.
int exit_code_of(const Policy& policy, const OneLook& seen);

/// The worse of two exit statuses of looks: out of reach is worse than a missing privilege.
int worse(int a, int b);

}  // namespace pgcurfew
