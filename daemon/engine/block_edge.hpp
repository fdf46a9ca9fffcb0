#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.hpp"
#include "engine/session.hpp"

namespace pgcurfew {

/// One session waits for another's lock: `blocker` is among the waiter's pg_blocking_pids, and it is the same
/// wait.
struct BlockEdge {
  SessionKey waiter;
  std::optional<ServerTime> query_start;  ///< of the waiter
  std::int32_t blocker = 0;
  bool operator==(const BlockEdge&) const = default;
};

/// The maximum number of edges that a guard can check.
inline constexpr std::size_t kMostBlockEdges = 20;

}  // namespace pgcurfew
