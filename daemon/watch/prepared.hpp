#pragma once

#include <set>
#include <string>
#include <vector>

#include "engine/session.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Reports prepared transactions that block sessions: no signal can end them. *Shapes*: bounded by the
/// prepared transactions that block a session in the last look.
class PreparedTransactions {
 public:
  /// Reports each one once, when a session has waited for it as long as the blocker rule with the shortest
  /// limit permits; again only if no session waited for it in between. Requires: WaitMemory has linked the
  /// look.
  std::vector<Event> tell(const Policy& policy, const Look& look);

  void forget() { told_.clear(); }

 private:
  std::set<std::string> told_;  ///< by gid, which may be any bytes
};

}  // namespace pgcurfew
