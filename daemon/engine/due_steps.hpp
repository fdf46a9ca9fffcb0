#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "engine/claim.hpp"
#include "engine/decision.hpp"
#include "engine/docket.hpp"
#include "engine/ladder.hpp"
#include "engine/ledger.hpp"
#include "engine/standing.hpp"

namespace pgcurfew {

/// Whether a rule relies on facts that can change without its victims' action: their number, slots, lock
/// waits. Then no step is taken on a look older than kFreshLook; if looks take that long to come, there is no
/// fresher one.
bool needs_fresh_look(const Rule& rule);
inline constexpr Duration kFreshLook = std::chrono::seconds(1);

/// If an older pgcurfew of the same role watches the server, it acts first: this instance waits this long
/// past due, and looks again.
inline constexpr Duration kAfterElder = std::chrono::milliseconds(100);

/// A claim whose next step is due.
struct DueStep {
  Claimant claimant;
  std::size_t session = 0;             ///< index in Look::sessions
  ServerTime anchor{};                 ///< of the episode
  const Case* due_case = nullptr;      ///< of a rule
  const DrainClaims* drain = nullptr;  ///< of a drain
  NextStep next;
  Standing* standing = nullptr;  ///< of the claim, in the decision
  Mode mode = Mode::kDryRun;
  ServerTime since{};                    ///< when it became due within the hours of its rule
  std::optional<ServerTime> open_until;  ///< the end of these hours, if it has any
  bool if_still = false;                 ///< Order::if_still
  int spared = 0;                        ///< guards in a row of this episode that spared the session
  std::size_t group_size = 0;            ///< with `keep`: how many of the session's group are due
};

struct DueSteps {
  std::vector<DueStep> alerts;   ///< in the order of the docket
  std::vector<DueStep> signals;  ///< by session; for one session those of rules first, as in the file
};

/// The steps that are due for each claim alone: by its ladder, its rule, and what has been done to the
/// session. Adds to `decision` where each claim stands, the events, and when to ask again.
DueSteps due_steps(const Policy& policy, const Look& look, const Docket& docket,
                   const std::vector<DrainClaims>& drains, Ledger& ledger, Now now, Decision& decision);

}  // namespace pgcurfew
