#pragma once

#include <map>
#include <utility>
#include <vector>

#include "engine/docket.hpp"
#include "engine/event.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Tells of sessions that hold others up as a rule forbids, and that a protection or an exception of the rule
/// spares: only people can do something about these. *Shapes*: bounded by the sessions of the last look,
/// times rules.
class SparedBlockers {
 public:
  /// Tells once per episode, of what the look shows past the limit and within the rule's hours. Requires:
  /// `docket` was made from `snapshot` by `policy`.
  std::vector<Event> tell(const Policy& policy, const Snapshot& snapshot, const Docket& docket);

  /// Of another server, or by another policy, all is told anew.
  void forget() { told_.clear(); }

 private:
  std::map<std::pair<SessionKey, std::size_t>, ServerTime>
      told_;  ///< by session and rule: the episode's anchor
};

}  // namespace pgcurfew
