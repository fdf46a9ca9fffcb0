#pragma once

#include <cstddef>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/time.hpp"
#include "engine/block_edge.hpp"
#include "engine/conditions.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// When the `at_least`-th waiter of the session began to wait, for whichever session; empty if fewer wait for
/// the session now.
std::optional<ServerTime> waiting_since(const Blocking& blocking, const Session& session);

/// When the `at_least`-th waiter began to wait for this very session while it does not wait itself. A chain
/// of waits is as old as its newest wait, because before that it led to another session. Empty if fewer wait.
std::optional<ServerTime> blocking_since(const Blocking& blocking, const Session& session);

/// The chain of waits from each required waiter to the session, as the guard has to find it.
std::vector<BlockEdge> edges_of(const Blocking& blocking, const Session& session);

/// Remembers lock waits from look to look, which the server does not report: before PostgreSQL 14, when a
/// session began to wait; in all versions, since when a blocker has not waited itself. For an idle blocker
/// that is its last state change, for any other the first look that showed it not waiting.
/// *Shapes*: bounded by the sessions of the last look and the waits between them.
class WaitMemory {
 public:
  /// Fills in the relations between the sessions of a look: blocked_since, has_waiting_worker, blocks,
  /// blockers, free_since.
  void link(Look& look);

  /// To be called after a time without looks, in which waits were not seen.
  void lose_sight();

  void forget();

 private:
  struct Wait {
    std::optional<ServerTime> query_start;
    ServerTime since;
    std::vector<std::int32_t> blockers;
  };
  /// `begun_anew`: sessions whose transaction is younger than the look before.
  static bool is_same_wait(const Wait& known, const Session& session, const LockWait& wait,
                           const std::vector<std::int32_t>& begun_anew);
  void remember_waits(const Look& look);
  void link_free_since(Look& look);

  struct Freedom {
    ServerTime since{};
    ServerTime blocked_since{};  ///< the waiter's wait that this is about
  };
  using FreeSince = std::unordered_map<SessionKey, Freedom>;  ///< by waiter
  std::unordered_map<SessionKey, Wait> waits_;
  std::unordered_map<SessionKey, FreeSince> free_since_;  ///< by blocker
  ServerTime last_look_{};
};

}  // namespace pgcurfew
