#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "engine/session.hpp"
#include "events/event.hpp"
#include "watch/holds.hpp"
#include "watch/outbox.hpp"
#include "watch/server_facts.hpp"

namespace pgcurfew {

/// The events about a server itself, and about how well we see it, which belong to no decision. `server` is
/// its name; `outage`: how long the failure has lasted.
Event server_up_event(std::string_view server, const ServerFacts& facts, std::optional<Duration> outage);

/// A look shows a primary that was a standby before.
Event promoted_event(std::string_view server);

/// One for each privilege that our role lacks there.
std::vector<Event> missing_privileges(const ServerFacts& facts);

/// The server's error for a signal to a session that we may not signal. `look`: the last one, or null.
Error would_be_denied(const Look* look, const SessionKey& key);

/// `retry`: how long until the next attempt.
Event server_down_event(std::string_view server, const Error& error, Duration retry, Duration outage);

Event look_failed_event(std::string_view server, const Error& error, Duration outage);
Event looks_again_event(std::string_view server, Duration outage);
Event names_failed_event(std::string_view server, const Error& error);
Event waits_failed_event(std::string_view server, const Error& error);
Event pulse_failed_event(std::string_view server, const Error& error);
/// No line is written to the server's own log for a while.
Event server_log_failed_event(std::string_view server, const Error& error);

/// `hidden`: the number of sessions that we may not see.
Event blind_event(std::size_t hidden);
/// Another pgcurfew of our role is older, and acts first.
Event elder_event(std::string_view server, const SessionKey& elder);
/// `nameless`: the number of sessions whose database or role name is unknown.
Event nameless_event(std::size_t nameless);

/// `jump`: how far; negative: backwards.
Event clock_jump_event(std::string_view server, Duration jump);
/// The end of a hold for which there is no other event.
Event hold_over_event(std::string_view server, Hold hold, Duration lasted);
/// An order is sent after it has `waited` in vain for its intent to be in the record.
Event intent_late_event(const Outbox::Waiting& order, Duration waited);
Event clock_trusted_event(std::string_view server);

}  // namespace pgcurfew
