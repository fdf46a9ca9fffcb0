#include "engine/narrate_fields.hpp"

#include "events/fields.hpp"

namespace pgcurfew {

void add_session(Event& event, const SessionKey& session) {
  event.add(field::kPid, session.pid);
  event.add(field::kSessionId, session_id_text(session.backend_start, session.pid));
  event.add(field::kBackendStart, session.backend_start);
}

void add_names(Event& event, const Session& session) {
  event.add(field::kDatabase, session.database);
  event.add(field::kUser, session.user);
  event.add(field::kApplicationName, session.application_name);
  event.add(field::kClientAddr, value_of(session, Field::kClientAddr));
  event.add(field::kQueryId, session.query_id);
}

std::string_view clock_text(Clock clock, bool is_waiters_age) {
  return is_waiters_age ? "blocks.blocked_for" : name_of(clock);
}

}  // namespace pgcurfew
