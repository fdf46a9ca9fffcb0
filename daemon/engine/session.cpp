#include "engine/session.hpp"

namespace pgcurfew {

std::optional<ServerTime> anchor_of(const Session& session, Clock clock) {
  switch (clock) {
    case Clock::kBlockedFor:
      return session.blocked_since;
    case Clock::kBlocksFor:
      return std::nullopt;
    case Clock::kStateAge:
      return session.state_change;
    case Clock::kQueryAge:
      return session.query_start;
    case Clock::kTransactionAge:
      return session.xact_start;
    case Clock::kSessionAge:
      break;
  }
  return session.key.backend_start;
}

}  // namespace pgcurfew
