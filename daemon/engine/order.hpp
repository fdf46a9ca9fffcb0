#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "engine/block_edge.hpp"
#include "engine/grounds.hpp"
#include "engine/repeats.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// A value that must still be what the look saw. Outer optional: whether it is checked at all; inner: NULL.
template <class T>
using Unchanged = std::optional<std::optional<T>>;

/// What must hold of a text, all of it. The patterns are such as SQL can ask for (TextPattern::as_like).
struct TextGuard {
  Unchanged<std::string> unchanged;
  std::optional<std::vector<TextPattern>> fits;  ///< one of them; a NULL fits none
  std::vector<TextPattern> spares;               ///< none of them
};

/// What must hold inside the server at the very moment of a signal, so that the same would be decided anew.
struct Guard {
  SessionKey session;
  std::string backend_type;
  ServerTime not_before{};  ///< the step falls due now, its grace included, by the server's clock
  ServerTime not_after{};   ///< beyond it the order is stale, or the clock has jumped
  Unchanged<ServerTime> xact_start;
  Unchanged<ServerTime> query_start;
  Unchanged<ServerTime> state_change;
  std::optional<std::vector<State>> states;  ///< one of these; a NULL is none
  std::vector<State> spared_states;          ///< none of these
  TextGuard wait_event_type;
  TextGuard wait_event;
  TextGuard application_name;
  Unchanged<std::int64_t> query_id;
  std::optional<std::string>
      database;  ///< checked if set: a name that the decision rested on, which can change hands
  std::optional<std::string> user;
  std::optional<std::int64_t> xmin_age;  ///< checked if set: still at least so old
  std::optional<bool> in_recovery;       ///< checked if set
  bool may_not_wait_for_lock = false;    ///< it is a blocker, and a waiter is never the victim of its rule
  bool may_wait_for_sync_rep = false;
  std::vector<BlockEdge> edges;  ///< all must still stand; at most kMostBlockEdges
};

/// What the guarded statement does if the guard holds.
enum class Action {
  kNothing,  ///< a dry run or an alert: the guard is asked and nothing else
  kCancel,
  kTerminate,
};

/// A step decided on. Carries all that a report needs, so that it outlives a reload.
struct Order {
  std::string decision;  ///< id that joins intent, outcome and verification
  std::string episode;   ///< id that joins all of these, from the first intent to the end
  Action action = Action::kNothing;
  Guard guard;
  MonotonicTime ordered_at{};
  std::uint64_t look_number = 0;  ///< of the look that it was decided from

  std::string policy;  ///< version of the policy that decided
  std::string rule;
  std::string drain;  ///< that ordered it instead of a rule; such an order has no age and no limit
  Mode mode = Mode::kDryRun;
  StepKind step = StepKind::kAlert;
  std::size_t step_number = 0;  ///< from 0
  std::size_t step_count = 0;
  Clock clock = Clock::kStateAge;
  bool is_waiters_age = false;  ///< Judgement::is_waiters_age
  ServerTime clock_start{};
  Duration limit{};  ///< 0: the rule has no age
  Duration age{};    ///< as we reckoned it when the order was made
  Duration grace{};  ///< the step's `after`
  std::optional<std::string> database;
  std::optional<std::string> user;
  std::optional<std::string> application_name;
  std::optional<std::string> client_addr;  ///< an address, or `local`
  std::optional<std::int64_t> query_id;
  std::optional<State> state;

  Grounds grounds;
  std::optional<RepeatKey> repeat_key;  ///< of a rule with `repeat`
  std::optional<Repeat> repeat;
  bool is_beyond_us = false;  ///< the server would deny the signal
  /// A step of a dry run after one that would have had an effect: in enforcement the session might be gone,
  /// or have moved on. No bound counts it.
  bool if_still = false;

  /// Whether a signal leaves for the server.
  [[nodiscard]] bool is_signal() const { return action != Action::kNothing; }
};

/// Fills in who an order's session is, as the look saw it.
void name_session(Order& order, const Session& session);

/// What the server said to an order.
enum class ReplyKind {
  kSignalled,  ///< the guard held; the signal was sent (or would have been)
  kMovedOn,    ///< the session no longer is what was decided upon: spared
  kGone,       ///< no such session any more
  kEarly,      ///< by the server's own clock it is not due yet
  kShifted,    ///< the server's list of backends moved under the guard's two stages; nothing was done
  kStale,      ///< by the server's own clock the order comes too late, or that clock has jumped
  kSyncRep,    ///< it waits for synchronous replication: spared
  kDenied,     ///< we lack the right (42501)
  kFailed,     ///< any other error
  kUnknown,    ///< no reply: the connection was lost, or the deadline passed
};
std::string_view name_of(ReplyKind kind);

struct Reply {
  ReplyKind kind = ReplyKind::kUnknown;
  std::optional<ServerTime> server_time;
  std::optional<State> state;
  std::optional<std::string> wait_event_type;
  std::optional<std::string> wait_event;
  std::optional<std::string> query;
  Error error;  ///< for kDenied, kFailed, kUnknown

  /// Nothing has happened, and nothing is known that a look would have to show first.
  [[nodiscard]] bool is_to_be_tried_again() const {
    return kind == ReplyKind::kEarly || kind == ReplyKind::kShifted;
  }
};

/// A session that so many guards in a row have spared, each for another fact that had changed, while every
/// look found it due still: what it can change at will is held no longer.
inline constexpr int kSparesBelieved = 3;

/// What the choice of a step rested on, besides the rule.
struct StepBasis {
  bool rests_on_state = false;  ///< a cancel, or a cancel that was skipped
  int spared = 0;               ///< so many guards of this episode have spared the session in a row
};

/// The guard for a step of a rule against a session as the look saw it. It holds what the rule counts by,
/// what its conditions ask for, and that no exception and no protection has come to fit. Where SQL cannot ask
/// that (regular expressions, more than one condition that can change), it holds a fact as it was, up to
/// kSparesBelieved guards. Its times are the caller's to fill in.
Guard make_guard(const Policy& policy, const Rule& rule, const Session& session, StepBasis basis);

/// The guard for a step of a drain. It holds the database, and that no exception and no protection has come
/// to fit, but not the statement: who is there has to go, whatever it runs.
Guard make_guard(const Policy& policy, const Drain& drain, const Session& session, StepBasis basis);

}  // namespace pgcurfew
