#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "engine/judge.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// A session that falls due under a rule, if nothing moves until then.
struct Case {
  std::size_t rule = 0;     ///< index in Policy::rules
  std::size_t session = 0;  ///< index in Look::sessions
  Judgement judgement;      ///< with Verdict::kDue
  bool is_held = false;     ///< what the rule's `when` asks of the server does not hold
};

/// All that one look has to say: matched once, then asked again at every wake-up with a later time.
struct Docket {
  std::uint64_t look_number = 0;
  ClockSteps steps;         ///< of the server's clock, as far as they were known
  std::vector<Case> cases;  ///< ordered by session, then by rule
  std::size_t client_backends = 0;
  std::size_t nameless = 0;  ///< sessions whose database or role has a name that we do not know
  /// The earliest moment at which a session could fall due through a change that only a new look can show.
  std::optional<ServerTime> pending_from;
};

/// Matches every session against every rule: O(sessions x rules).
Docket make_docket(const Policy& policy, const Look& look, const ClockSteps& steps = {});

}  // namespace pgcurfew
