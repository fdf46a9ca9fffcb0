#include "engine/session.hpp"

#include <array>

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

template <class Value>
struct Column {
  Field field;
  std::optional<Value> Session::*member;
};

constexpr std::array kTexts{
    Column<std::string>{Field::kDatabase, &Session::database},
    Column<std::string>{Field::kUser, &Session::user},
    Column<std::string>{Field::kApplicationName, &Session::application_name},
    Column<std::string>{Field::kWaitEventType, &Session::wait_event_type},
    Column<std::string>{Field::kWaitEvent, &Session::wait_event},
    Column<std::string>{Field::kQuery, &Session::query},
};

constexpr std::array kNumbers{
    Column<std::int64_t>{Field::kQueryId, &Session::query_id},
    Column<std::int64_t>{Field::kXminAge, &Session::xmin_age},
};

template <class Columns>
auto member_of(const Columns& columns, const Session& session, Field field)
    -> decltype(&(session.*columns[0].member)) {
  for (const auto& column : columns) {
    if (column.field == field) return &(session.*column.member);
  }
  return nullptr;
}

}  // namespace

const std::optional<std::string>* text_of(const Session& session, Field field) {
  return member_of(kTexts, session, field);
}

const std::optional<std::int64_t>* number_of(const Session& session, Field field) {
  return member_of(kNumbers, session, field);
}

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
  if (const auto* text = text_of(session, field)) return *text;
  if (const auto* number = number_of(session, field)) {
    return *number ? std::optional(std::to_string(**number)) : std::nullopt;
  }
  switch (field) {
    case Field::kClientAddr:
      if (session.is_local) return "local";
      return session.client_addr ? std::optional(to_text(*session.client_addr)) : std::nullopt;
    case Field::kBackendType:
      return session.backend_type;
    case Field::kState:
      return session.state ? std::optional(std::string(name_of(*session.state))) : std::nullopt;
    case Field::kBlocks:
      return std::to_string(session.blocks.size());
    default:
      return std::nullopt;
  }
}

std::optional<SessionKey> elder_of(const Look& look, std::int32_t own_pid) {
  std::optional<SessionKey> oldest;
  for (const auto& session : look.sessions) {
    if (!session.is_own || session.application_name == kAuditApplicationName) continue;
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
