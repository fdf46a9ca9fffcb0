#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.hpp"
#include "engine/session.hpp"

namespace pgcurfew {

/// Somebody waits for somebody's lock: `blocker` stands among the waiter's pg_blocking_pids, and it is the
/// same wait.
struct BlockEdge {
  SessionKey waiter;
  std::optional<ServerTime> query_start;  ///< of the waiter
  std::int32_t blocker = 0;
  bool operator==(const BlockEdge&) const = default;
};

/// So many of them a guard can check.
inline constexpr std::size_t kMostBlockEdges = 20;

}  // namespace pgcurfew
