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
  kSyncRep,         ///< committed already; a signal would only hide that from the client; can be switched off
  kProtected,       ///< by the `protect` list
};

Immunity immunity_of(const Policy& policy, const Session& session, ClaimantKind from = ClaimantKind::kRule);

/// The protection that fits first; null if none does. Who listens is protected from rules alone: in a
/// database that is drained it is still somebody.
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
  bool is_waiters_age = false;     ///< not the session's, but of whom it blocks: blocks.blocked_for
  Duration limit{};                ///< its limit, or a later one of an exception; 0: the rule has no age
  ServerTime clock_start{};        ///< the timestamp that this age counts from
  ServerTime anchor{};  ///< the timestamp of the rule's finest age: when it moves, the episode is over
  /// When it could fall due, if what stands in the way now (a condition, an exception on a wait event) goes
  /// away, which only a new look can show. Empty: nothing of that kind stands in the way.
  std::optional<ServerTime> could_be_due;
  const Exception* exception = nullptr;  ///< the first that fits, of the rule's own list
};

/// The limit of one of a rule's ages: its own, or that of an exception on the same clock.
Duration limit_for(const AgeLimit& age, const Exception* exception);

/// Judges a session; whether it has an immunity is not looked at. `steps`: how the server's clock was set, so
/// that nobody is due early.
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
  kStateChangeIfAny,  ///< no age, but a look at what changes with the state: backend_start where there is
                      ///< none
  kTransaction,       ///< xact_start; outside of a transaction that can commit, state_change
};

/// The finest of the session's own ages that the rule has. Without one: that of the wait is the query's, that
/// of holding up others (or of holding back xmin) the transaction's; state_change if the rule looks at
/// anything that changes with it, backend_start otherwise.
AnchorKind anchor_kind_of(const Rule& rule);

/// The timestamp, and the clock that counts from it; nothing if it is NULL where the rule needs it.
struct Anchor {
  ServerTime time;
  Clock clock = Clock::kSessionAge;
};
std::optional<Anchor> anchor_of(const Rule& rule, const Session& session);

/// The moment that an age of a rule counts from; nothing if there is none: such a session never matches.
std::optional<ServerTime> start_of(const Rule& rule, const Session& session, Clock clock);

/// Whether what a rule's `when` asks of the server holds.
bool holds(const When& when, const Look& look, std::size_t client_backends);

/// Which part of the slots that are open to all roles is taken; nothing if it is not known.
std::optional<double> connections_used(const Look& look, std::size_t client_backends);

}  // namespace pgcurfew
