#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "engine/docket.hpp"
#include "engine/session.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Reports sessions that block others for longer than a rule permits, but that the rule leaves alone: they
/// are protected, exempt or not client backends. Only an administrator can end such a wait. *Shapes*: bounded
/// by the sessions of the last look, times rules.
class SparedBlockers {
 public:
  /// Reports the sessions that the look shows past the limit, once per episode; a later episode only if a
  /// look in between showed that the session blocked no session for that long. Requires: `docket` was made
  /// from `look` by `policy`.
  std::vector<Event> tell(const Policy& policy, const Look& look, const Docket& docket);

  /// To be called for another server or another policy: everything is reported again.
  void forget() { told_.clear(); }

 private:
  struct Told {
    ServerTime anchor{};
    std::uint64_t look = 0;  ///< the last look that showed it
  };
  std::uint64_t looks_ = 0;
  std::map<std::pair<SessionKey, std::size_t>, Told> told_;  ///< by session and rule
};

}  // namespace pgcurfew
