#pragma once

#include <cstddef>
#include <optional>

#include "base/time.hpp"
#include "engine/claim.hpp"
#include "engine/clock_steps.hpp"
#include "engine/judge.hpp"
#include "engine/ledger.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The next step of a case, and when it is due.
struct NextStep {
  std::size_t number = 0;
  ServerTime due{};
  StepKind kind = StepKind::kAlert;
  bool skipped_cancel = false;  ///< a cancel before it cannot affect the session as it is
};

/// Empty if the ladder is at its end. `episode` may be null: nothing was ordered yet.
std::optional<NextStep> next_step_of(const Rule& rule, const Session& session, const Judgement& judgement,
                                     const Episode* episode, const ClockSteps& steps = {});

/// When a step of a drain falls due. `since`: the time from which its ladder counts.
ServerTime due_of(const Drain& drain, ServerTime since, std::size_t step);

/// The strongest step of a drain that has fallen due for a session and was not taken, otherwise the next one;
/// empty if there is none. A cancel waits until it can affect the session, or the next step falls due.
std::optional<NextStep> next_step_of(const DrainClaims& claims, const Session& session,
                                     const Episode* episode, ServerTime now);

/// When the next cancel falls due that is skipped, because it cannot affect the session as it is; empty if
/// there is none.
std::optional<ServerTime> skipped_cancel_of(const Rule& rule, const Session& session,
                                            const Judgement& judgement, const Episode* episode,
                                            const ClockSteps& steps = {});

}  // namespace pgcurfew
