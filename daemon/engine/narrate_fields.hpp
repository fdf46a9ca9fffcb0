#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/session.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Which session an event is about: pid, session_id, backend_start.
void add_session(Event& event, const SessionKey& session);

/// The session's names, as a look showed them: database, user, application_name, client_addr, query_id.
void add_names(Event& event, const Session& session);

/// `query_age`; `blocks.blocked_for` if the age is that of a wait required by a rule's `blocks`.
std::string_view clock_text(Clock clock, bool is_waiters_age);

}  // namespace pgcurfew
