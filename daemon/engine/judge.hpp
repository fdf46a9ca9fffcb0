#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "engine/claim.hpp"
#include "engine/clock_steps.hpp"
#include "engine/conditions.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Why no rule, or no drain, may touch a session at all.
enum class Immunity {
  kNone,
  kOwn,             ///< pgcurfew's own, or another pgcurfew's of the same role
  kParallelWorker,  ///< its leader is judged
  kReplication,     ///< never touched
  kSyncRep,         ///< already committed; a signal would only hide that; can be switched off
  kProtected,       ///< by the `protect` list
};

Immunity immunity_of(const Policy& policy, const Session& session, ClaimantKind from = ClaimantKind::kRule);

/// The first protection that matches; null if none does. Sessions that listen are protected from rules only:
/// a drain has to end them.
const Match* protection_of(const Policy& policy, const Session& session,
                           ClaimantKind from = ClaimantKind::kRule);

/// Whether a built-in protection has been switched off.
bool is_switched_off(const Policy& policy, std::string_view protection);

/// The built-in protections that the engine knows by name.
namespace protection {
inline constexpr std::string_view kSyncRep = "sync-rep";
inline constexpr std::string_view kConcurrentIndex = "concurrent-index";
inline constexpr std::string_view kListeners = "listeners";
}  // namespace protection

/// Whether an immunity can end at any moment without another change, because it relies on a wait event.
bool is_passing(Immunity immunity, const Policy& policy, const Session& session);

enum class Verdict {
  kNoMatch,
  kExempt,   ///< an exception without ages matches
  kPending,  ///< only conditions that can change at any moment fail: it could be due from `due` on
  kDue,      ///< due at `due`, if nothing changes until then
};

/// The result of one rule for one session, without a clock: time appears only as the moment at which it falls
/// due.
struct Judgement {
  Verdict verdict = Verdict::kNoMatch;
  ServerTime due{};                ///< when the last age of the rule reaches its limit
  Clock clock = Clock::kStateAge;  ///< whose age that is
  bool is_waiters_age = false;     ///< the age of a session that it blocks: blocks.blocked_for
  Duration limit{};                ///< its limit, or a later one of an exception; 0: the rule has no age
  ServerTime clock_start{};        ///< the timestamp that this age counts from
  ServerTime anchor{};  ///< the timestamp of the rule's finest age: when it moves, the episode is over
  /// When the session could fall due if the present obstacle (a condition, an exception on a wait event) goes
  /// away, which only a new look can show. Empty: there is no such obstacle.
  std::optional<ServerTime> could_be_due;
  const Exception* exception = nullptr;  ///< the first in the rule's list that matches
};

/// The limit of one of a rule's ages: its own, or that of an exception on the same clock.
Duration limit_for(const AgeLimit& age, const Exception* exception);

/// Judges a session without regard to immunity. `steps`: how the server's clock was set, so that no session
/// is due early.
Judgement judge(const Rule& rule, const Session& session, const ClockSteps& steps = {});

/// The states in which a cancel can have an effect. On an idle session of any kind it has none.
const std::vector<State>& cancellable_states();
bool can_be_cancelled(const Session& session);

/// Which timestamp a rule's episodes are anchored at.
enum class AnchorKind {
  kStateChange,
  kQueryStart,
  kXactStart,
  kBackendStart,
  kStateChangeIfAny,  ///< no age, but a condition that changes with the state; backend_start if NULL
  kTransaction,       ///< xact_start; outside of a transaction that can commit, state_change
};

/// The timestamp of the finest of the session's own ages that the rule has. Without one: the query's for a
/// rule on waiting, the transaction's for a rule on blocking (or on xmin_age), state_change if the rule has a
/// condition that changes with it, backend_start otherwise.
AnchorKind anchor_kind_of(const Rule& rule);

/// The timestamp, and the clock that counts from it; empty if it is NULL but the rule needs it.
struct Anchor {
  ServerTime time;
  Clock clock = Clock::kSessionAge;
};
std::optional<Anchor> anchor_of(const Rule& rule, const Session& session);

/// The moment from which an age of a rule counts; empty if there is none: such a session never matches.
std::optional<ServerTime> start_of(const Rule& rule, const Session& session, Clock clock);

/// Whether a rule's `when` holds for the server.
bool holds(const When& when, const Look& look, std::size_t client_backends);

/// The share of the unreserved connection slots that is in use; empty if unknown.
std::optional<double> connections_used(const Look& look, std::size_t client_backends);

}  // namespace pgcurfew
