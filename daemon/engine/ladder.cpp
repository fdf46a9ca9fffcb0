#include "engine/ladder.hpp"

#include <algorithm>

namespace pgcurfew {

std::optional<NextStep> next_step_of(const Rule& rule, const Session& session, const Judgement& judgement,
                                     const Episode* episode, const ClockSteps& steps) {
  const bool begun = episode != nullptr && episode->stepped_at.has_value();
  NextStep next;
  next.number = episode != nullptr ? episode->next_step : 0;
  next.due = begun ? steps.end_of(*episode->stepped_at, Duration(0)) : judgement.due;
  for (; next.number < rule.escalate.size(); ++next.number) {
    const auto& step = rule.escalate[next.number];
    next.due += step.after;
    if (step.kind != StepKind::kCancel || can_be_cancelled(session)) {
      // the limit may have changed since the step before: an exception applies now, or a coarser clock
      // started again
      next.due = std::max(next.due, judgement.due);
      next.kind = step.kind;
      return next;
    }
    next.skipped_cancel = true;
  }
  return std::nullopt;
}

ServerTime due_of(const Drain& drain, ServerTime since, std::size_t step) {
  auto due = since + drain.wait;
  for (std::size_t i = 0; i <= step; ++i) due += drain.escalate[i].after;
  return due;
}

std::optional<NextStep> next_step_of(const DrainClaims& claims, const Session& session,
                                     const Episode* episode, ServerTime now) {
  const auto& ladder = claims.drain->escalate;
  const bool is_to_go_now = claims.were_emptied && session.key.backend_start > *claims.since;
  std::optional<NextStep> next;
  for (std::size_t number = 0; number < ladder.size(); ++number) {
    const auto kind = ladder[number].kind;
    // by kind, because a reload may have changed the ladder
    if (episode != nullptr && episode->taken && kind <= *episode->taken) continue;
    const auto due = is_to_go_now ? session.key.backend_start : due_of(*claims.drain, *claims.since, number);
    if (is_to_go_now && kind != StepKind::kTerminate) continue;
    if (due > now) {
      if (!next) next = NextStep{number, due, kind, false};
      break;
    }
    next.reset();
    if (kind != StepKind::kCancel || can_be_cancelled(session)) next = NextStep{number, due, kind, false};
  }
  return next;
}

std::optional<ServerTime> skipped_cancel_of(const Rule& rule, const Session& session,
                                            const Judgement& judgement, const Episode* episode,
                                            const ClockSteps& steps) {
  const auto number = episode != nullptr ? episode->next_step : 0;
  if (number >= rule.escalate.size() || rule.escalate[number].kind != StepKind::kCancel ||
      can_be_cancelled(session)) {
    return std::nullopt;
  }
  const bool begun = episode != nullptr && episode->stepped_at.has_value();
  const auto from = begun ? steps.end_of(*episode->stepped_at, Duration(0)) : judgement.due;
  return std::max(from + rule.escalate[number].after, judgement.due);
}

}  // namespace pgcurfew
