#include "watch/narrate_server.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "engine/decide.hpp"

namespace pgcurfew {

namespace {

Event make_event(Level level, std::string kind, std::string message) {
  return Event{level, std::move(kind), std::move(message), {}};
}

void add_error(Event& event, const Error& error) {
  event.fields.emplace_back("error", error.message);
  if (!error.detail.empty()) event.fields.emplace_back("detail", error.detail);
  if (!error.hint.empty()) event.fields.emplace_back("hint", error.hint);
  if (!error.sqlstate.empty()) event.fields.emplace_back("sqlstate", error.sqlstate);
}

Event failure_event(Level level, std::string kind, std::string message, const Error& error) {
  auto event = make_event(level, std::move(kind), std::move(message));
  add_error(event, error);
  return event;
}

Event missing_privilege_event(const ServerFacts& facts, std::string_view privilege, std::string_view effect) {
  auto event = make_event(Level::kError, "privilege_missing",
                          fmt::format("role {} lacks {}: {}", printable(facts.role), privilege, effect));
  event.fields.emplace_back("privilege", std::string(privilege));
  event.fields.emplace_back("role", facts.role);
  const auto role = printable(quoted_identifier(facts.role));
  event.fields.emplace_back(
      "hint", fmt::format("GRANT {} TO {}; and if it is a member already, ALTER ROLE {} INHERIT;", privilege,
                          role, role));
  return event;
}

/// " for 4min"; nothing at its beginning.
std::string for_how_long(Duration outage) {
  return outage == Duration(0) ? std::string() : " for " + to_rough_text(outage);
}

void add_outage(Event& event, Duration outage) {
  if (outage > Duration(0)) event.fields.emplace_back("outage_s", outage);
}

}  // namespace

Event server_up_event(std::string_view server, const ServerFacts& facts, std::optional<Duration> outage) {
  const auto after =
      outage ? fmt::format("; it was out of reach for {}", to_rough_text(*outage)) : std::string();
  auto up = make_event(Level::kNotice, "server_up",
                       fmt::format("watching {} as {}{}", server, printable(facts.role), after));
  up.fields.emplace_back("version", facts.version);
  up.fields.emplace_back("role", facts.role);
  up.fields.emplace_back("backend_pid", static_cast<std::int64_t>(facts.backend_pid));
  up.fields.emplace_back("in_recovery", facts.in_recovery);
  if (outage) up.fields.emplace_back("outage_s", *outage);
  return up;
}

Event promoted_event(std::string_view server) {
  return make_event(Level::kNotice, "promoted", fmt::format("{} was promoted: it is a primary now", server));
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

Error would_be_denied(const std::optional<Look>& look, const SessionKey& key) {
  const bool is_superusers =
      look && std::any_of(look->sessions.begin(), look->sessions.end(), [&](const Session& session) {
        return session.key == key && session.is_superusers;
      });
  return {"the server would deny it",
          is_superusers ? "The session is a superuser's."
                        : "Our role is a member of neither pg_signal_backend nor the session's role.",
          {},
          "42501"};
}

Event server_down_event(std::string_view server, const Error& error, Duration retry, Duration outage) {
  auto down = failure_event(
      Level::kError, "server_down",
      fmt::format("{} is out of reach{}: {}", server, for_how_long(outage), printable(error.message)), error);
  down.fields.emplace_back("retry_s", retry);
  add_outage(down, outage);
  return down;
}

Event look_failed_event(std::string_view server, const Error& error, Duration outage) {
  auto failed = failure_event(
      Level::kError, "look_failed",
      fmt::format("could not look at {}{}: {}", server, for_how_long(outage), printable(error.message)),
      error);
  add_outage(failed, outage);
  return failed;
}

Event looks_again_event(std::string_view server, Duration outage) {
  auto again = make_event(Level::kNotice, "looks_again",
                          fmt::format("looks at {} succeed again, after {}", server, to_rough_text(outage)));
  add_outage(again, outage);
  return again;
}

Event names_failed_event(std::string_view server, const Error& error) {
  return failure_event(Level::kWarning, "names_failed",
                       fmt::format("could not refresh the names of databases and roles of {}: {}", server,
                                   printable(error.message)),
                       error);
}

Event waits_failed_event(std::string_view server, const Error& error) {
  return failure_event(Level::kError, "waits_failed",
                       fmt::format("could not read lock waits on {}; blocker rules are suspended: {}", server,
                                   printable(error.message)),
                       error);
}

Event pulse_failed_event(std::string_view server, const Error& error) {
  return failure_event(Level::kWarning, "pulse_failed",
                       fmt::format("could not ask {} for its time: {}", server, printable(error.message)),
                       error);
}

Event blind_event(std::size_t hidden) {
  auto event = make_event(Level::kError, "blind",
                          fmt::format("{} sessions are hidden from us; no rule can judge them", hidden));
  event.fields.emplace_back("hidden", static_cast<std::int64_t>(hidden));
  event.fields.emplace_back("hint", "Its role has to be a member of pg_read_all_stats.");
  return event;
}

Event elder_event(std::string_view server, const SessionKey& elder) {
  auto event = make_event(
      Level::kWarning, "elder",
      fmt::format(
          "another pgcurfew (pid {}) has watched {} for longer under this role: signals of rules leave "
          "{} after they fall due, if a look shows that they are still wanted",
          elder.pid, server, to_text(kAfterElder)));
  event.fields.emplace_back("pid", static_cast<std::int64_t>(elder.pid));
  return event;
}

Event nameless_event(std::size_t nameless) {
  auto event = make_event(Level::kWarning, "nameless",
                          fmt::format("{} sessions have a database or a role without a name (dropped under "
                                      "them, or its catalog is locked); no rule fits them by name",
                                      nameless));
  event.fields.emplace_back("nameless", static_cast<std::int64_t>(nameless));
  return event;
}

Event clock_jump_event(std::string_view server, Duration jump) {
  auto event = make_event(Level::kError, "clock_jump",
                          fmt::format("the clock of {} jumped by {}: no signals until two looks agree",
                                      server, to_rough_text(jump)));
  event.fields.emplace_back("jump_s", jump);
  return event;
}

Event clock_trusted_event(std::string_view server) {
  return make_event(Level::kNotice, "clock_trusted",
                    fmt::format("two looks agree again on the clock of {}", server));
}

}  // namespace pgcurfew
