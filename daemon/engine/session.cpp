#include "engine/session.hpp"

#include <fmt/format.h>

#include "base/words.hpp"

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

std::optional<std::string> value_of(const Session& session, Field field) {
  switch (field) {
    case Field::kDatabase:
      return session.database;
    case Field::kUser:
      return session.user;
    case Field::kApplicationName:
      return session.application_name;
    case Field::kClientAddr:
      if (session.is_local) return "local";
      return session.client_addr ? std::optional(to_text(*session.client_addr)) : std::nullopt;
    case Field::kBackendType:
      return session.backend_type;
    case Field::kState:
      return session.state ? std::optional(std::string(name_of(*session.state))) : std::nullopt;
    case Field::kWaitEventType:
      return session.wait_event_type;
    case Field::kWaitEvent:
      return session.wait_event;
    case Field::kQuery:
      return session.query;
    case Field::kQueryId:
      return session.query_id ? std::optional(std::to_string(*session.query_id)) : std::nullopt;
    case Field::kXminAge:
      return session.xmin_age ? std::optional(std::to_string(*session.xmin_age)) : std::nullopt;
    case Field::kBlocks:
      return std::to_string(session.blocks.size());
    default:
      return std::nullopt;
  }
}

std::optional<SessionKey> elder_of(const Look& look, std::int32_t own_pid) {
  std::optional<SessionKey> oldest;
  for (const auto& session : look.sessions) {
    if (!session.is_own) continue;
    if (!oldest || session.key.backend_start < oldest->backend_start) oldest = session.key;
  }
  return oldest && oldest->pid != own_pid ? oldest : std::nullopt;
}

std::string session_text(const SessionKey& session, const std::optional<std::string>& user,
                         const std::optional<std::string>& database) {
  if (!user && !database) return fmt::format("pid {}", session.pid);
  return fmt::format("pid {} {}@{}", session.pid, printable(user.value_or("?"), 80),
                     printable(database.value_or("?"), 80));
}

std::string session_text(const Session& session) {
  return session_text(session.key, session.user, session.database);
}

}  // namespace pgcurfew
