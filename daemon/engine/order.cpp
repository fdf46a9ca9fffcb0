#include "engine/order.hpp"

namespace pgcurfew {

void name_session(Order& order, const Session& session) {
  order.is_beyond_us = session.is_beyond_us;
  order.database = session.database;
  order.user = session.user;
  order.application_name = session.application_name;
  order.client_addr = value_of(session, Field::kClientAddr);
  order.query_id = session.query_id;
  order.state = session.state;
}

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
    case ReplyKind::kNotSent:
      return "not_sent";
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
