#include "engine/oracle.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace pgcurfew::testing {

namespace {

/// "A NULL never matches."
bool has_timestamp(const SmallCase& c) {
  if (c.clock == Clock::kTransactionAge) return c.has_xact_start;
  if (c.clock == Clock::kQueryAge) return c.has_query_start;
  if (c.clock == Clock::kStateAge) return c.has_state_change;
  return true;
}

bool state_matches(const SmallCase& c) {
  if (c.states == States::kAny) return true;
  if (c.state == State::kActive) return true;
  return c.states == States::kActiveOrIdleInTransaction && c.state == State::kIdleInTransaction;
}

/// "A cancel cannot affect an idle session": only a statement that runs.
bool cancel_has_effect(const SmallCase& c) {
  return c.state == State::kActive || c.state == State::kFastpathFunctionCall;
}

/// "A session is (pid, backend_start)."
bool is_same_session(const SmallCase& c) {
  return c.clock != Clock::kSessionAge || !c.anchor_moved;
}

/// "No signal function is called": an alert, and all of a dry run.
bool was_signal(const SmallCase& c) {
  const std::size_t step = c.past == Past::kSentTwice ? 1 : 0;
  return c.mode == Mode::kEnforce && c.ladder.at(step).kind != StepKind::kAlert;
}

/// Whether what happened to this session prevents orders on this look.
bool look_is_too_old(const SmallCase& c) {
  switch (c.past) {
    case Past::kNone:
      return false;
    case Past::kUnanswered:
      return true;  // "never two signals for one step": the first is still out
    case Past::kSent:
    case Past::kSentTwice:
      // "nothing is ordered for this session before a look that was asked for after the signal"
      return was_signal(c) && c.timing == Timing::kBeforeOrder;
    case Past::kDenied:
    case Past::kUnknown:
    case Past::kSpared:
      break;  // "the step is taken again, after a fresh look shows the same episode"
  }
  return c.timing != Timing::kAfterReply;
}

/// The ladder from a step on, which counts from `since`; a cancel without effect is skipped with its grace.
std::optional<Expected> climb(const SmallCase& c, std::size_t from, Duration since, Duration falls_due) {
  for (std::size_t i = from; i < c.ladder.size(); ++i) {
    since += c.ladder[i].after;
    if (c.ladder[i].kind == StepKind::kCancel && !cancel_has_effect(c)) continue;
    // it must be past its limit, whatever was done before
    return Expected{i, c.ladder[i].kind, std::max(since, falls_due)};
  }
  return std::nullopt;
}

}  // namespace

Duration last_step_of(const SmallCase& c) {
  const auto first = kAnchor + kLimit + c.ladder.at(0).after + kReplyTakes;
  return c.past == Past::kSentTwice ? first + c.ladder.at(1).after + kReplyTakes : first;
}

std::optional<Expected> expected_of(const SmallCase& c) {
  if (c.exemption == Exemption::kProtected || c.exemption == Exemption::kForGood) return std::nullopt;
  if (!has_timestamp(c) || !state_matches(c)) return std::nullopt;
  const auto anchor = c.anchor_moved ? kMovedAnchor : kAnchor;
  const auto falls_due = anchor + (c.exemption == Exemption::kUntilLater ? kLaterLimit : kLimit);

  if (c.past == Past::kNone || !is_same_session(c)) return climb(c, 0, falls_due, falls_due);
  if (look_is_too_old(c)) return std::nullopt;
  // "When the anchor moves, the episode is over; escalation never crosses it."
  auto next = climb(c, 0, falls_due, falls_due);
  const bool is_same_episode = !c.anchor_moved;
  if (c.past == Past::kDenied) {
    // "Sessions that the server does not let us signal; asked once": an alert is no signal
    return next && next->kind == StepKind::kAlert ? next : std::nullopt;
  }
  if (!is_same_episode || c.past == Past::kUnknown || c.past == Past::kSpared) return next;
  // "what a dry run reports is what enforcement would have done", past its first effect as if there was none
  const std::size_t last = c.past == Past::kSentTwice ? 1 : 0;
  return climb(c, last + 1, last_step_of(c), falls_due);
}

std::string text_of(const SmallCase& c) {
  constexpr const char* kStates[] = {"any", "active", "[active, idle in transaction]"};
  constexpr const char* kExemptions[] = {"none", "for good", "later limit", "protected"};
  constexpr const char* kPasts[] = {"none",    "unanswered", "sent",  "sent twice",
                                    "unknown", "spared",     "denied"};
  constexpr const char* kTimings[] = {"after the reply", "before the order", "before the reply"};
  std::string ladder;
  for (const auto& rung : c.ladder)
    ladder += fmt::format(" {}({}us)", name_of(rung.kind), rung.after.count());
  return fmt::format(
      "clock {}, ladder{}, rule's state {}, {}\nstate {}, xact_start {}, query_start {}, state_change {}, "
      "exemption {}, anchor {}\npast {}, look asked for {}, now {}us",
      name_of(c.clock), ladder, kStates[static_cast<int>(c.states)], name_of(c.mode),
      c.state ? name_of(*c.state) : "NULL", c.has_xact_start, c.has_query_start, c.has_state_change,
      kExemptions[static_cast<int>(c.exemption)], c.anchor_moved ? "moved" : "same",
      kPasts[static_cast<int>(c.past)], kTimings[static_cast<int>(c.timing)], c.now.count());
}

}  // namespace pgcurfew::testing
