#include "engine/order.hpp"

namespace pgcurfew {

std::string_view name_of(ReplyKind kind) {
  switch (kind) {
    case ReplyKind::kSignalled:
      return "signalled";
    case ReplyKind::kMovedOn:
      return "moved_on";
    case ReplyKind::kGone:
      return "gone";
    case ReplyKind::kEarly:
      return "early";
    case ReplyKind::kShifted:
      return "shifted";
    case ReplyKind::kStale:
      return "stale";
    case ReplyKind::kSyncRep:
      return "sync_rep";
    case ReplyKind::kDenied:
      return "denied";
    case ReplyKind::kFailed:
      return "failed";
    case ReplyKind::kUnknown:
      break;
  }
  return "unknown";
}

}  // namespace pgcurfew
