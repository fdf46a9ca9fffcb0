#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "engine/ladder.hpp"

namespace pgcurfew {

/// Where a claim on a session stands: a step was ordered for it, or the first reason why its next step was
/// not ordered.
enum class Stand {
  kOrdered,     ///< its step is ordered now
  kCarried,     ///< another claim's step, at least as strong, is ordered now, and counts for it too
  kLimit,       ///< the limit of its rule, or the wait of its drain, is not reached
  kGrace,       ///< the wait between the step before and the next is not over
  kInFlight,    ///< the order before has no reply yet
  kUnverified,  ///< no look has shown the effect of the order before yet
  kFruitless,   ///< the order before had no effect, and is not repeated at once
  kTouched,     ///< no look has shown the effect of another claim's signal yet
  kDenied,      ///< the server does not let us signal the session
  kUnkillable,  ///< it has outlived the last step
  kAtEnd,       ///< its ladder has no further step
  kNoEffect,    ///< only a cancel is left, which cannot affect the session as it is
  kWhen,        ///< the rule's `when` does not hold
  kKeep,        ///< the session is one that the rule leaves alone
  kHours,       ///< the rule is outside its hours
  kRepeat,      ///< the rule pauses for such sessions, because of `repeat`
  kAtMost,      ///< the rule has reached its number for one look
  kPause,       ///< the rule pauses after its last signal
  kBreaker,     ///< the bounds of the server, or of the session's role or tenant, are used up
  kElder,       ///< an older pgcurfew goes first
  kLook,        ///< the look that shows it is too old to act upon
  kRoom,        ///< the maximum number of orders has no reply yet
  kGates,       ///< the gates of its drain are not all closed
};
std::string_view name_of(Stand stand);  ///< `ordered`, `at_most`, ...

/// Whether the rule leaves the session alone while it stands there: by `when`, `keep` or its hours.
bool is_left_alone(Stand stand);

/// Whether the step is due but others go first: by `at_most`, `pause`, the breaker or orders in flight.
bool is_rationed(Stand stand);

/// Whether the passing of a limit or a wait brings no step: nothing more will be ordered, or not before
/// something else changes.
bool is_held_up(Stand stand);

/// *Units*: both times are the earliest at which the stand can change by itself, by the server's clock or by
/// ours. Empty: only a look, a reply or a reload can change it.
struct Standing {
  Stand stand = Stand::kLook;
  std::optional<NextStep> next;  ///< the step in question, if there is one
  std::optional<ServerTime> until;
  std::optional<MonotonicTime> until_ours;

  void set(Stand now, std::optional<ServerTime> at = {}, std::optional<MonotonicTime> at_ours = {}) {
    stand = now;
    until = at;
    until_ours = at_ours;
  }
};

/// *Shapes*: `cases` has one entry per case of the docket; `drains` one entry per DrainClaims, each with one
/// entry per claimed session.
struct Standings {
  std::vector<Standing> cases;
  std::vector<std::vector<Standing>> drains;
};

}  // namespace pgcurfew
