#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Whether one condition holds for a session. A NULL never matches.
bool holds(const Condition& condition, const Session& session);

/// Whether a condition of an entry of `protect` or `except` holds. A name that we could not resolve counts as
/// a match: doubt protects.
bool may_hold(const Condition& condition, const Session& session);

/// Whether an entry of `protect` or `except` matches: all of its conditions may hold. Its ages are ignored.
bool may_fit(const Match& match, const Session& session);

/// What a rule requires of the sessions that wait for a session.
struct Blocking {
  bool is_asked = false;          ///< the rule has `blocks` or `blocks_for`
  bool may_wait = false;          ///< it has `blocked_for` too: it applies to sessions that wait themselves
  std::size_t at_least = 1;       ///< this number of sessions wait for it ...
  const Match* waiter = nullptr;  ///< ... that match this; null: any
  std::optional<Duration> waiter_blocked_for;  ///< ... and have waited this long
};

Blocking blocking_of(const Match& match);

/// Whether a look within the rule's limit is certain to show a lock wait before it matters, because the rule
/// gives waits a time.
bool gives_waits_time(const Match& match);

/// Whether a session waits for a heavyweight lock.
bool waits_for_lock(const Session& session);

/// Whether it or one of its parallel workers does: such a session is not the root of a chain of waits.
bool is_held_up(const Session& session);

/// The matching sessions that wait for a session, the longest waiting first.
std::vector<const Session*> fitting_waiters(const Blocking& blocking, const Session& session);

}  // namespace pgcurfew
