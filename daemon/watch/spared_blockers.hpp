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

/// Tells of sessions that hold others up as a rule forbids, and that the rule spares: it protects them,
/// excepts them, or is for client backends alone. Nobody but people can free those who wait. *Shapes*:
/// bounded by the sessions of the last look, times rules.
class SparedBlockers {
 public:
  /// Tells of those that the look shows past the limit, once per episode; of a later episode only where a
  /// look in between showed that the session held up nobody for so long. Requires: `docket` was made from
  /// `look` by `policy`.
  std::vector<Event> tell(const Policy& policy, const Look& look, const Docket& docket);

  /// Of another server, or by another policy, all is told anew.
  void forget() { told_.clear(); }

 private:
  struct Told {
    ServerTime anchor{};
    std::uint64_t look = 0;  ///< the last that showed it
  };
  std::uint64_t looks_ = 0;
  std::map<std::pair<SessionKey, std::size_t>, Told> told_;  ///< by session and rule
};

}  // namespace pgcurfew
