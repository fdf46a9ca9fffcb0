#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {

// A small world: one rule, one session, at most one episode of the past. The oracle computes what the design
// requires, slowly and from the text of the laws; it calls no code of engine/.

inline constexpr Duration kLimit = 100s;
inline constexpr Duration kLaterLimit = 300s;  ///< of an exception
inline constexpr Duration kGrace = 30s;
inline constexpr Duration kReplyTakes = 3us;
/// The rule's own timestamp: as in the past, or after what was done then.
inline constexpr Duration kAnchor = 0s;
inline constexpr Duration kMovedAnchor = 170s;

struct Rung {
  StepKind kind;
  Duration after;
};
using Ladder = std::vector<Rung>;

enum class States { kAny, kActive, kActiveOrIdleInTransaction };  ///< what the rule requires
enum class Exemption { kNone, kForGood, kUntilLater, kProtected };

/// The state of the episode so far.
enum class Past {
  kNone,
  kUnanswered,  ///< the first step was ordered, without a reply yet
  kSent,        ///< the first step: signalled, or would have been
  kSentTwice,   ///< the second step too
  kUnknown,     ///< the first step's outcome is unknown
  kSpared,      ///< the guard refused the first step
  kDenied,
};

/// When the decision's look was requested, and when it came.
enum class Timing {
  kAfterReply,   ///< requested after the reply came
  kBeforeOrder,  ///< on its way when the (last) order was made
  kBeforeReply,  ///< requested after the order, but came before the reply
};

struct SmallCase {
  // the rule
  Clock clock = Clock::kQueryAge;
  Ladder ladder;
  States states = States::kAny;
  Mode mode = Mode::kEnforce;
  // the session as the look shows it
  std::optional<State> state;
  bool has_xact_start = true;
  bool has_query_start = true;
  bool has_state_change = true;
  Exemption exemption = Exemption::kNone;
  bool anchor_moved = false;
  // the past
  Past past = Past::kNone;
  Timing timing = Timing::kAfterReply;
  Duration now{};
};

struct Expected {
  std::size_t step = 0;
  StepKind kind = StepKind::kAlert;
  Duration due{};
};

/// What is ordered as soon as it is due, if nothing changes; empty if never.
std::optional<Expected> expected_of(const SmallCase& c);

/// When the last step of the past took effect.
Duration last_step_of(const SmallCase& c);

std::string text_of(const SmallCase& c);

}  // namespace pgcurfew::testing
