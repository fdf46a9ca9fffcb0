#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "engine/judge.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// A session that falls due under a rule, if nothing changes until then.
struct Case {
  std::size_t rule = 0;     ///< index in Policy::rules
  std::size_t session = 0;  ///< index in Look::sessions
  Judgement judgement;      ///< with Verdict::kDue
  bool is_held = false;     ///< the rule's `when` does not hold
};

/// The result of one look: matched once, then used at every wake-up with a later time.
struct Docket {
  std::uint64_t look_number = 0;
  ClockSteps steps;         ///< of the server's clock, as far as known
  std::vector<Case> cases;  ///< ordered by session, then by rule
  std::size_t client_backends = 0;
  std::size_t nameless = 0;  ///< sessions of unknown database or role
  /// The earliest moment at which a session could fall due through a change that only a new look can show.
  std::optional<ServerTime> pending_from;
};

/// Matches every session against every rule: O(sessions x rules).
Docket make_docket(const Policy& policy, const Look& look, const ClockSteps& steps = {});

}  // namespace pgcurfew
