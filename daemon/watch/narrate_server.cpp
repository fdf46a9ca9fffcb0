#include "watch/narrate_server.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "engine/due_steps.hpp"
#include "engine/narrate.hpp"
#include "engine/narrate_fields.hpp"
#include "events/fields.hpp"

namespace pgcurfew {

namespace {

Event failure_event(Kind kind, std::string message, const Error& error) {
  Event event(kind, std::move(message));
  event.add(error);
  return event;
}

Event missing_privilege_event(const ServerFacts& facts, std::string_view privilege, std::string_view effect) {
  auto event = Event(Kind::kPrivilegeMissing,
                     fmt::format("role {} lacks {}: {}", printable(facts.role), privilege, effect));
  event.add(field::kPrivilege, privilege);
  event.add(field::kRole, facts.role);
  const auto role = printable(quoted_identifier(facts.role));
  event.add(field::kHint, fmt::format("GRANT {} TO {}; and if it is a member already, ALTER ROLE {} INHERIT;",
                                      privilege, role, role));
  return event;
}

/// ` for 4min`; empty at the beginning of an outage.
std::string for_how_long(Duration outage) {
  return outage == Duration(0) ? std::string() : " for " + to_rough_text(outage);
}

void add_outage(Event& event, Duration outage) {
  if (outage > Duration(0)) event.add(field::kOutageS, outage);
}

}  // namespace

Event server_up_event(std::string_view server, const ServerFacts& facts, std::optional<Duration> outage) {
  const auto after =
      outage ? fmt::format("; it was out of reach for {}", to_rough_text(*outage)) : std::string();
  auto up = Event(Kind::kServerUp, fmt::format("watching {} as {}{}", server, printable(facts.role), after));
  up.add(field::kVersion, facts.version);
  up.add(field::kRole, facts.role);
  up.add(field::kBackendPid, facts.backend_pid);
  up.add(field::kInRecovery, facts.in_recovery);
  if (outage) up.add(field::kOutageS, *outage);
  return up;
}

Event promoted_event(std::string_view server) {
  return Event(Kind::kPromoted, fmt::format("{} was promoted: it is a primary now", server));
}

std::vector<Event> missing_privileges(const ServerFacts& facts) {
  std::vector<Event> missing;
  if (!facts.can_read_all_stats) {
    missing.push_back(missing_privilege_event(facts, "pg_read_all_stats",
                                              "other roles' sessions are hidden, no rule can see them"));
  }
  if (facts.lacks_signal()) {
    missing.push_back(missing_privilege_event(facts, "pg_signal_backend",
                                              "only sessions of its own role can be signalled"));
  }
  return missing;
}

Error would_be_denied(const Look* look, const SessionKey& key) {
  const bool is_superusers =
      look != nullptr &&
      std::any_of(look->sessions.begin(), look->sessions.end(),
                  [&](const Session& session) { return session.key == key && session.is_superusers; });
  return {"the server would deny it",
          is_superusers ? "The session is a superuser's."
                        : "Our role is a member of neither pg_signal_backend nor the session's role.",
          {},
          "42501"};
}

Event server_down_event(std::string_view server, const Error& error, Duration retry, Duration outage) {
  auto down = failure_event(
      Kind::kServerDown,
      fmt::format("{} is out of reach{}: {}", server, for_how_long(outage), printable(error.message)), error);
  down.add(field::kRetryS, retry);
  add_outage(down, outage);
  return down;
}

Event look_failed_event(std::string_view server, const Error& error, Duration outage) {
  auto failed = failure_event(
      Kind::kLookFailed,
      fmt::format("could not look at {}{}: {}", server, for_how_long(outage), printable(error.message)),
      error);
  add_outage(failed, outage);
  return failed;
}

Event looks_again_event(std::string_view server, Duration outage) {
  auto again = Event(Kind::kLooksAgain,
                     fmt::format("looks at {} succeed again, after {}", server, to_rough_text(outage)));
  add_outage(again, outage);
  return again;
}

Event names_failed_event(std::string_view server, const Error& error) {
  return failure_event(Kind::kNamesFailed,
                       fmt::format("could not refresh the names of databases and roles of {}: {}", server,
                                   printable(error.message)),
                       error);
}

Event waits_failed_event(std::string_view server, const Error& error) {
  return failure_event(Kind::kWaitsFailed,
                       fmt::format("could not read lock waits on {}; blocker rules are suspended: {}", server,
                                   printable(error.message)),
                       error);
}

Event pulse_failed_event(std::string_view server, const Error& error) {
  return failure_event(Kind::kPulseFailed,
                       fmt::format("could not read the time of {}: {}", server, printable(error.message)),
                       error);
}

Event server_log_failed_event(std::string_view server, const Error& error) {
  return failure_event(Kind::kServerLogFailed,
                       fmt::format("the log of {} may lack a line: {}", server, printable(error.message)),
                       error);
}

Event blind_event(std::size_t hidden) {
  auto event =
      Event(Kind::kBlind, fmt::format("{} sessions are hidden from us; no rule can judge them", hidden));
  event.add(field::kHidden, hidden);
  event.add(field::kHint, "Its role has to be a member of pg_read_all_stats.");
  return event;
}

Event elder_event(std::string_view server, const SessionKey& elder) {
  auto event =
      Event(Kind::kElder,
            fmt::format("another pgcurfew (pid {}) has watched {} for longer under this role: signals of "
                        "rules are sent {} after they fall due, if a look shows that they are still wanted",
                        elder.pid, server, to_text(kAfterElder)));
  event.add(field::kPid, elder.pid);
  return event;
}

Event nameless_event(std::size_t nameless) {
  auto event =
      Event(Kind::kNameless, fmt::format("{} sessions have a database or a role of unknown name (dropped, or "
                                         "its catalog is locked); no rule matches them by name",
                                         nameless));
  event.add(field::kNameless, nameless);
  return event;
}

Event clock_jump_event(std::string_view server, Duration jump) {
  auto event =
      Event(Kind::kClockJump, fmt::format("the clock of {} jumped by {}: no signals until two looks agree",
                                          server, to_rough_text(jump)));
  event.add(field::kJumpS, jump);
  return event;
}

Event clock_trusted_event(std::string_view server) {
  return Event(Kind::kClockTrusted, fmt::format("two looks agree again on the clock of {}", server));
}

Event intent_late_event(const Outbox::Waiting& order, Duration waited) {
  const auto* signal = std::get_if<Order>(&order.order);
  const auto what = signal != nullptr
                        ? fmt::format("the {} of {} is sent", name_of(signal->step), subject_of(*signal))
                        : fmt::format("the gate of database {} is closed",
                                      printable(std::get<GateOrder>(order.order).database, 80));
  Event event(Kind::kIntentLate, fmt::format("{} although its intent is not in the record{}", what,
                                             waited > Duration(0) ? " after " + to_rough_text(waited) : ""));
  event.add(field::kDecision, order.decision());
  if (signal != nullptr) {
    if (!signal->rule.empty()) event.add(field::kRule, signal->rule);
    if (!signal->drain.empty()) event.add(field::kDrain, signal->drain);
    add_session(event, signal->guard.session);
    event.add(field::kEpisode, signal->episode);
    event.add(field::kDatabase, signal->database);
  } else {
    const auto& turn = std::get<GateOrder>(order.order);
    event.add(field::kDrain, turn.mark.drain);
    event.add(field::kDatabase, turn.database);
  }
  event.add(field::kWaitedS, waited);
  return event;
}

Event hold_over_event(std::string_view server, Hold hold, Duration lasted) {
  Event event(Kind::kHoldOver,
              fmt::format("{} is over on {}, after {}", name_of(hold), server, to_rough_text(lasted)));
  event.add(field::kHold, name_of(hold));
  event.add(field::kLastedS, lasted);
  return event;
}

}  // namespace pgcurfew
