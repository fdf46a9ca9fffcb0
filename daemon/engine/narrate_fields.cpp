#include "engine/narrate_fields.hpp"

#include <cstdint>

namespace pgcurfew {

void add_session(Event& event, const SessionKey& session) {
  event.fields.emplace_back("pid", static_cast<std::int64_t>(session.pid));
  event.fields.emplace_back("session_id", session_id_text(session.backend_start, session.pid));
  event.fields.emplace_back("backend_start", session.backend_start);
}

void add_text(Event& event, std::string_view name, const std::optional<std::string>& text) {
  if (text) event.fields.emplace_back(std::string(name), *text);
}

void add_names(Event& event, const Session& session) {
  add_text(event, "database", session.database);
  add_text(event, "user", session.user);
  add_text(event, "application_name", session.application_name);
  add_text(event, "client_addr", value_of(session, Field::kClientAddr));
  if (session.query_id) event.fields.emplace_back("query_id", *session.query_id);
}

std::string_view clock_text(Clock clock, bool is_waiters_age) {
  return is_waiters_age ? "blocks.blocked_for" : name_of(clock);
}

}  // namespace pgcurfew
