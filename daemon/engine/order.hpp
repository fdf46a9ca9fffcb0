#pragma once

#include <cstdint>
#include <map>
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

/// Conditions on a text, all of which must hold. SQL can check the patterns (TextPattern::as_like).
struct TextGuard {
  Unchanged<std::string> unchanged;
  std::optional<std::vector<TextPattern>> fits;  ///< one of them; a NULL matches none
  std::vector<TextPattern> spares;               ///< none of them
};

/// What must hold inside the server at the moment of a signal, so that the same decision would be made again.
struct Guard {
  SessionKey session;
  std::string backend_type;
  ServerTime not_before{};  ///< when the step falls due, its grace included, by the server's clock
  ServerTime not_after{};   ///< after it the order is stale, or the clock has jumped
  Unchanged<ServerTime> xact_start;
  Unchanged<ServerTime> query_start;
  Unchanged<ServerTime> state_change;
  std::optional<std::vector<State>> states;              ///< one of these; a NULL is none
  std::vector<State> spared_states;                      ///< none of these
  std::map<Field, TextGuard> texts;                      ///< for is_guarded_text(); absent: not checked
  std::map<Field, std::optional<std::int64_t>> numbers;  ///< for is_guarded_number(): unchanged
  std::optional<std::string>
      database;  ///< checked if set: a name that the decision relied on, which can change its owner
  std::optional<std::string> user;
  std::optional<std::int64_t> xmin_age;  ///< checked if set: still at least this old
  std::optional<bool> in_recovery;       ///< checked if set
  bool may_not_wait_for_lock = false;    ///< it is a blocker; its rule never ends a session that waits
  bool may_wait_for_sync_rep = false;
  std::vector<BlockEdge> edges;  ///< all must still stand; at most kMostBlockEdges
};

/// What the guarded statement does if the guard passes.
enum class Action {
  kNothing,  ///< a dry run or an alert: only the guard is checked
  kCancel,
  kTerminate,
};

/// A step that was decided. Contains everything that a report needs, so that it outlives a reload.
struct Order {
  std::string decision;  ///< id that joins intent, outcome and verification
  std::string episode;   ///< id that joins all of these, from the first intent to the end
  Action action = Action::kNothing;
  Guard guard;
  MonotonicTime ordered_at{};
  std::uint64_t look_number = 0;  ///< of the look that it was decided from

  std::string policy;  ///< version of the policy that decided
  std::string rule;
  std::string drain;  ///< the drain that ordered it, instead of a rule; then there is no age and no limit
  Mode mode = Mode::kDryRun;
  StepKind step = StepKind::kAlert;
  std::size_t step_number = 0;  ///< from 0
  std::size_t step_count = 0;
  Clock clock = Clock::kStateAge;
  bool is_waiters_age = false;  ///< Judgement::is_waiters_age
  ServerTime clock_start{};
  Duration limit{};                    ///< 0: the rule has no age
  Duration age{};                      ///< as computed when the order was made
  Duration grace{};                    ///< the step's `after`
  std::optional<Duration> next_after;  ///< that of the step after it; empty for the last step
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
  /// A step of a dry run after one that would have had an effect: with enforcement the session might have
  /// ended or moved on. No bound counts it.
  bool if_still = false;

  /// Whether a signal is sent to the server.
  [[nodiscard]] bool is_signal() const { return action != Action::kNothing; }
};

/// Fills in the names of an order's session, as the look saw them.
void name_session(Order& order, const Session& session);

/// The server's answer to an order.
enum class ReplyKind {
  kSignalled,  ///< the guard passed; the signal was sent (or would have been)
  kMovedOn,    ///< the session is no longer as the decision saw it: spared
  kGone,       ///< the session no longer exists
  kEarly,      ///< by the server's own clock it is not due yet
  kShifted,    ///< the server's list of backends changed between the guard's stages; nothing was done
  kNotSent,    ///< the order was taken back before it was sent
  kStale,      ///< by the server's own clock the order comes too late, or that clock has jumped
  kSyncRep,    ///< it waits for synchronous replication: spared
  kDenied,     ///< our role lacks a privilege (42501)
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
  Error error;  ///< for kDenied, kFailed, kUnknown, kNotSent

  /// Nothing was done, and no look is needed before another attempt.
  [[nodiscard]] bool is_to_be_tried_again() const {
    return kind == ReplyKind::kEarly || kind == ReplyKind::kShifted || kind == ReplyKind::kNotSent;
  }
};

/// After this number of guards in a row that spared a session, each for another changed fact, while every
/// look found it due, the guard no longer holds what the session can change at will.
inline constexpr int kSparesBelieved = 3;

/// What the choice of a step relied on, besides the rule.
struct StepBasis {
  bool rests_on_state = false;  ///< a cancel, or a cancel that was skipped
  int spared = 0;               ///< guards in a row of this episode that spared the session
};

/// The guard for a step of a rule against a session as the look saw it. It checks the rule's timestamps, its
/// conditions, and that no exception and no protection has come to apply. If SQL cannot check that (regular
/// expressions, more than one condition that can change), it holds the fact as it was, for up to
/// kSparesBelieved guards. The caller fills in its times.
Guard make_guard(const Policy& policy, const Rule& rule, const Session& session, StepBasis basis);

/// The guard for a step of a drain. It checks the database, and that no exception and no protection has come
/// to apply, but not the statement: the session has to go, whatever it runs.
Guard make_guard(const Policy& policy, const Drain& drain, const Session& session, StepBasis basis);

}  // namespace pgcurfew
