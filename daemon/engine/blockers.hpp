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

/// Since when at least so many as asked for wait, whomever for; nothing if fewer wait for the session now.
std::optional<ServerTime> waiting_since(const Blocking& blocking, const Session& session);

/// Since when at least so many as asked for wait for this very session while it does not wait itself: a chain
/// of waits is as old as the newest of them, for before that it led to somebody else. Nothing if fewer do.
std::optional<ServerTime> blocking_since(const Blocking& blocking, const Session& session);

/// The chain of waits from each of those who were asked for up to the session, as the guard has to find it.
std::vector<BlockEdge> edges_of(const Blocking& blocking, const Session& session);

/// Remembers from look to look who waited for a lock: what the server itself does not tell. Before PostgreSQL
/// 14 that is since when somebody waits; in all versions, since when a session that holds others up has not
/// waited itself: of an idle one since its state changed, of any other since the first look that showed it
/// so. *Shapes*: bounded by the sessions of the last look, and who of them waits for whom.
class WaitMemory {
 public:
  /// Fills in what the sessions of a look have to do with each other: blocked_since, has_waiting_worker,
  /// blocks, blockers, free_since.
  void link(Look& look);

  /// No looks for a while: who has waited in the meantime nobody has seen.
  void lose_sight();

  void forget();

 private:
  struct Wait {
    std::optional<ServerTime> query_start;
    ServerTime since;
    std::vector<std::int32_t> blockers;
  };
  /// `begun_anew`: who is in a transaction that is younger than the look before.
  static bool is_same_wait(const Wait& known, const Session& session, const LockWait& wait,
                           const std::vector<std::int32_t>& begun_anew);
  void remember_waits(const Look& look);
  void link_free_since(Look& look);

  struct Freedom {
    ServerTime since{};
    ServerTime blocked_since{};  ///< which of the waiter's waits it is for
  };
  using FreeSince = std::unordered_map<SessionKey, Freedom>;  ///< by who waits
  std::unordered_map<SessionKey, Wait> waits_;
  std::unordered_map<SessionKey, FreeSince> free_since_;  ///< by whom they wait for
  ServerTime last_look_{};
};

}  // namespace pgcurfew
