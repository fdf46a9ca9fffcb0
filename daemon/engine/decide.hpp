#pragma once

#include <cstddef>
#include <vector>

#include "engine/claim.hpp"
#include "engine/decision.hpp"
#include "engine/docket.hpp"
#include "engine/ledger.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The maximum number of orders without a reply: on a slow server the reply to the last of them still comes
/// before its deadline. Other orders follow as replies come in.
inline constexpr std::size_t kMostInFlight = 64;

/// The maximum number of a tenant's sessions that are signalled on a look from before they fell due; with
/// more, a new look comes first. Statements that end just before their limit often fall due together.
inline constexpr std::size_t kMostUnshown = Breaker::kAlwaysPass;

/// The core. Takes the last look and the time, and returns orders: at most one signal per session, for the
/// strongest step that is due, whichever claims it. Of equal steps a drain's is taken, because it uses up no
/// bound, otherwise that of the first rule. The others are recorded as superseded and count as done. The
/// ledger is updated, so that a second call orders nothing twice.
/// Requires: `docket` was made from `look` by `policy`; claims of drains on another look are ignored.
Decision decide(const Policy& policy, const Look& look, const Docket& docket,
                const std::vector<DrainClaims>& drains, Ledger& ledger, Now now);

}  // namespace pgcurfew
