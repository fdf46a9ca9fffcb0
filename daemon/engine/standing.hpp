#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "engine/ladder.hpp"

namespace pgcurfew {

/// Where a claim on a session stands: that a step was ordered for it, or the first thing that keeps the next
/// step from being ordered.
enum class Stand {
  kOrdered,     ///< its step is ordered now
  kCarried,     ///< another claim's step, at least as strong, is ordered now, and counts for it too
  kLimit,       ///< the limit of its rule, or the wait of its drain, is not reached
  kGrace,       ///< nor is the time that the next step leaves after the one before
  kInFlight,    ///< the order before has no reply yet
  kUnverified,  ///< no look has shown yet what the order before has done
  kFruitless,   ///< the order before came to nothing, and is not tried again at once
  kTouched,     ///< no look has shown yet what another claim's signal has done
  kDenied,      ///< the server does not let us signal the session
  kUnkillable,  ///< it has outlived the last step
  kAtEnd,       ///< its ladder has no further step
  kNoEffect,    ///< what is left of it is a cancel, which cannot affect the session as it is
  kWhen,        ///< what the rule's `when` asks of the server does not hold
  kKeep,        ///< it is one of those that the rule leaves alone
  kHours,       ///< the rule is outside its hours
  kRepeat,      ///< the rule pauses for such sessions, for it has met them too often
  kAtMost,      ///< the rule has had as many as it may have of one look
  kPause,       ///< the rule pauses after its last signal
  kBreaker,     ///< the bounds of the server, or of the session's role or tenant, are used up
  kElder,       ///< an older pgcurfew goes first
  kLook,        ///< the look that shows it is too old to act upon
  kRoom,        ///< as many orders as may be have no reply yet
  kGates,       ///< the gates of its drain are not all closed
};
std::string_view name_of(Stand stand);  ///< `ordered`, `at_most`, ...

/// Whether the rule is not for the session as long as it stands there: by `when`, `keep` or its hours.
bool is_left_alone(Stand stand);

/// Whether the step is due and others go first: by `at_most`, `pause`, the breaker or what is in flight.
bool is_rationed(Stand stand);

/// *Units*: both times are the earliest at which the claim can stand elsewhere if nothing else moves, by the
/// server's clock or by ours. None: only a look, a reply or a reload can move it.
struct Standing {
  Stand stand = Stand::kLook;
  std::optional<NextStep> next;  ///< the step in question, as far as there is one
  std::optional<ServerTime> until;
  std::optional<MonotonicTime> until_ours;

  void set(Stand now, std::optional<ServerTime> at = {}, std::optional<MonotonicTime> at_ours = {}) {
    stand = now;
    until = at;
    until_ours = at_ours;
  }
};

/// *Shapes*: `cases` has one entry a case of the docket; `drains` one entry a DrainClaims, each with one
/// entry a session that it claims.
struct Standings {
  std::vector<Standing> cases;
  std::vector<std::vector<Standing>> drains;
};

}  // namespace pgcurfew
