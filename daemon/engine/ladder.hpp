#pragma once

#include <cstddef>
#include <optional>

#include "base/time.hpp"
#include "engine/clock_steps.hpp"
#include "engine/judge.hpp"
#include "engine/ledger.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The step of a case that comes next, and when.
struct NextStep {
  std::size_t number = 0;
  ServerTime due{};
  StepKind kind = StepKind::kAlert;
  bool skipped_cancel = false;  ///< a cancel before it cannot affect the session as it is
};

/// Nothing if the ladder is at its end. `episode` may be null: nothing was ordered yet.
std::optional<NextStep> next_step_of(const Rule& rule, const Session& session, const Judgement& judgement,
                                     const Episode* episode, const ClockSteps& steps = {});

/// When the cancel falls due that comes next and is skipped, since it cannot affect the session as it is;
/// nothing if none is.
std::optional<ServerTime> skipped_cancel_of(const Rule& rule, const Session& session,
                                            const Judgement& judgement, const Episode* episode,
                                            const ClockSteps& steps = {});

}  // namespace pgcurfew
