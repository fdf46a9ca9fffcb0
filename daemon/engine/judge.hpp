#pragma once

#include <optional>

#include "base/time.hpp"
#include "engine/clock_steps.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Whether one condition holds for a session. A NULL never fits.
bool holds(const Condition& condition, const Session& session);

/// Whether an entry of `protect` or `except` fits; its ages are not looked at. A name that we could not
/// resolve may be the one: doubt protects.
bool may_fit(const Match& match, const Session& session);

/// Why no rule may touch a session at all.
enum class Immunity {
  kNone,
  kOwn,             ///< pgcurfew's own, or another pgcurfew's of the same role
  kParallelWorker,  ///< its leader is judged
  kReplication,     ///< never touched
  kSyncRep,         ///< committed already; a signal would only hide that from the client
  kProtected,       ///< by the `protect` list
};

Immunity immunity_of(const Policy& policy, const Session& session);

/// Whether an immunity can end at any moment without anything else moving: it rests on a wait event.
bool is_passing(Immunity immunity, const Policy& policy, const Session& session);

enum class Verdict {
  kNoMatch,
  kExempt,   ///< an exception without ages fits
  kPending,  ///< only conditions fail that can change at any moment: it could be due from `due` on
  kDue,      ///< due at `due`, if nothing moves until then
};

/// What one rule says of one session, without a clock: time enters only as the moment at which it falls due.
struct Judgement {
  Verdict verdict = Verdict::kNoMatch;
  ServerTime due{};                ///< when the last age of the rule reaches its limit
  Clock clock = Clock::kStateAge;  ///< whose age that is
  Duration limit{};                ///< its limit, or a later one of an exception
  ServerTime clock_start{};        ///< the timestamp that this age counts from
  ServerTime anchor{};  ///< the timestamp of the rule's finest age: when it moves, the episode is over
  /// When it could fall due, if what stands in the way now (a condition, an exception on a wait event) goes
  /// away, which only a new look can show. Empty: nothing of that kind stands in the way.
  std::optional<ServerTime> could_be_due;
  const Exception* exception = nullptr;  ///< the first that fits, of the rule's own list
};

/// The limit of one of a rule's ages: its own, or that of an exception on the same clock.
Duration limit_for(const AgeLimit& age, const Exception* exception);

/// Judges a session that has no immunity. `steps`: how the server's clock was set, so that nobody is due
/// early.
Judgement judge(const Rule& rule, const Session& session, const ClockSteps& steps = {});

/// Whether a cancel can have an effect on the session. On an idle session of any kind it has none.
bool can_be_cancelled(const Session& session);

/// A rule's finest clock; rules without an age count from state_change if they look at anything that changes
/// with it, from backend_start otherwise.
Clock anchor_clock_of(const Rule& rule);

}  // namespace pgcurfew
