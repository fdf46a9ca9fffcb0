#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Whether one condition holds for a session. A NULL never fits.
bool holds(const Condition& condition, const Session& session);

/// Whether a condition of an entry of `protect` or `except` holds. A name that we could not resolve may be
/// the one: doubt protects.
bool may_hold(const Condition& condition, const Session& session);

/// Whether an entry of `protect` or `except` fits: all of its conditions may hold. Its ages are not looked
/// at.
bool may_fit(const Match& match, const Session& session);

/// What a rule asks of those who wait for a session.
struct Blocking {
  bool is_asked = false;          ///< the rule has `blocks` or `blocks_for`
  bool may_wait = false;          ///< it has `blocked_for` too: it is for sessions that wait themselves
  std::size_t at_least = 1;       ///< so many wait for it ...
  const Match* waiter = nullptr;  ///< ... that fit this; null: any
  std::optional<Duration> waiter_blocked_for;  ///< ... and have waited for so long
};

Blocking blocking_of(const Match& match);

/// Whether a look that comes within a rule's limit is sure to show a lock wait before it matters: the rule
/// gives waits a time.
bool gives_waits_time(const Match& match);

/// Whether a session waits for a heavyweight lock.
bool waits_for_lock(const Session& session);

/// Whether it does, or one of its parallel workers: such a session is no root of a chain of waits.
bool is_held_up(const Session& session);

/// Those who wait for a session and fit, the longest waiting first.
std::vector<const Session*> fitting_waiters(const Blocking& blocking, const Session& session);

}  // namespace pgcurfew
