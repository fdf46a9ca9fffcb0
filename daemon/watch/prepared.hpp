#pragma once

#include <set>
#include <string>
#include <vector>

#include "engine/session.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Tells of prepared transactions that hold sessions up, which no signal can end. *Shapes*: bounded by the
/// prepared transactions that the last look showed in somebody's way.
class PreparedTransactions {
 public:
  /// Tells once of each that has held somebody up for as long as the most impatient rule on blockers lets
  /// anybody wait; again only if nobody waited for it in between. Requires: WaitMemory has linked the
  /// look.
  std::vector<Event> tell(const Policy& policy, const Look& look);

  void forget() { told_.clear(); }

 private:
  std::set<std::string> told_;  ///< by their gid, a stranger's bytes
};

}  // namespace pgcurfew
