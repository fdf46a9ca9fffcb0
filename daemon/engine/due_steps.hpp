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

/// Whether a rule rests on what can change without its victims' doing: on how many they are, on slots, on
/// lock waits. Then nobody is condemned by a look that came longer than kFreshLook ago: where looks take as
/// long as that to come, none is fresher.
bool needs_fresh_look(const Rule& rule);
inline constexpr Duration kFreshLook = std::chrono::seconds(1);

/// Where an older pgcurfew of the same role watches the server, it acts first: this one waits so long past
/// what falls due, and looks again.
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
  ServerTime since{};                    ///< it is due, and within the hours of its rule
  std::optional<ServerTime> open_until;  ///< the end of these hours, if it has any
  bool if_still = false;                 ///< Order::if_still
  int spared = 0;                        ///< guards of this episode in a row that have spared the session
  std::size_t group_size = 0;            ///< with `keep`: how many that are due the session was counted among
};

struct DueSteps {
  std::vector<DueStep> alerts;   ///< in the order of the docket
  std::vector<DueStep> signals;  ///< by session; of one session those of rules first, as in the file
};

/// The steps that are due as far as each claim alone has to say: its ladder, its rule, and what has been done
/// to the session. Adds to `decision` where each claim stands, what is to be told, and when to ask again.
DueSteps due_steps(const Policy& policy, const Look& look, const Docket& docket,
                   const std::vector<DrainClaims>& drains, Ledger& ledger, Now now, Decision& decision);

}  // namespace pgcurfew
