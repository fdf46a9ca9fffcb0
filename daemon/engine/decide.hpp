#pragma once

#include <cstddef>
#include <vector>

#include "engine/claim.hpp"
#include "engine/decision.hpp"
#include "engine/docket.hpp"
#include "engine/ledger.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// At most so many orders are without a reply at a time: a reply to the last of them still comes before its
/// deadline on a server that takes its time. The others follow as replies come in.
inline constexpr std::size_t kMostInFlight = 64;

/// Of one tenant at most so many go by a look from before they fell due; where there are more, the server is
/// looked at again first. Statements that end just before their limit come in herds.
inline constexpr std::size_t kMostUnshown = Breaker::kAlwaysPass;

/// The heart. Takes what the last look showed and the time, and gives orders: at most one signal a session,
/// of the strongest step that is due, whoever claims it. Of equal steps a drain's is taken, for it uses up
/// no bound, or else that of the rule that stands first. The others are recorded as superseded and climb with
/// it. The ledger is updated to match: asking again at once orders nothing twice.
/// Requires: `docket` was made from `look` by `policy`; claims of drains on another look count for nothing.
Decision decide(const Policy& policy, const Look& look, const Docket& docket,
                const std::vector<DrainClaims>& drains, Ledger& ledger, Now now);

}  // namespace pgcurfew
