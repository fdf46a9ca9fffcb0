#include "drains/drain_events.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "engine/narrate.hpp"

namespace pgcurfew {

namespace {

constexpr std::size_t kMostNames = 5;

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + printable(name, 80);
  return text;
}

Event event_of(std::string_view drain, Mode mode, Level level, std::string kind, std::string message) {
  Event event;
  event.level = level;
  event.kind = std::move(kind);
  event.message = std::move(message);
  event.fields.emplace_back("drain", std::string(drain));
  event.fields.emplace_back("mode", std::string(name_of(mode)));
  return event;
}

Event event_of(const Drain& plan, Level level, std::string kind, std::string message) {
  return event_of(plan.name, plan.mode, level, std::move(kind), std::move(message));
}

Event gate_event(std::string_view drain, const std::string& database, Level level, std::string kind,
                 std::string message) {
  Event event;
  event.level = level;
  event.kind = std::move(kind);
  event.message = std::move(message);
  event.fields.emplace_back("drain", std::string(drain));
  event.fields.emplace_back("database", database);
  return event;
}

void add_window(Event& event, const Interval& window) {
  event.fields.emplace_back("begins", window.start);
  event.fields.emplace_back("ends", window.end);
}

void add_error(Event& event, const Error& error) {
  if (!error.message.empty()) event.fields.emplace_back("error", error.message);
  if (!error.detail.empty()) event.fields.emplace_back("detail", error.detail);
  if (!error.hint.empty()) event.fields.emplace_back("hint", error.hint);
  if (!error.sqlstate.empty()) event.fields.emplace_back("sqlstate", error.sqlstate);
}

/// PgBouncer's gate has no limit, and asks for no right of our role.
bool is_of_server(GateKind kind) {
  return kind == GateKind::kConnectionLimit;
}

void add_mark(Event& event, const GateMark& mark, GateKind kind) {
  event.fields.emplace_back("by", mark.by);
  if (is_of_server(kind)) event.fields.emplace_back("limit_before", static_cast<std::int64_t>(mark.limit));
  if (mark.until) event.fields.emplace_back("until", *mark.until);
}

/// An announcement is due so long before, and made a moment later.
std::string time_until_text(Duration wait) {
  const auto whole = std::chrono::round<std::chrono::seconds>(wait);
  return whole.count() > 0 ? to_text(whole) : to_rough_text(wait);
}

std::string limit_text(int limit) {
  return limit < 0 ? "no limit" : fmt::format("CONNECTION LIMIT {}", limit);
}

}  // namespace

std::string remaining_text(const DrainProgress& progress) {
  const auto& remaining = progress.remaining;
  auto text = counted(remaining.size(), "session");
  for (std::size_t i = 0; i < remaining.size() && i < kMostNames; ++i) {
    const auto& entry = remaining[i];
    text += fmt::format("{} {}", i == 0 ? ":" : ",", session_text(entry.session, entry.user, entry.database));
    if (!entry.reason.empty()) text += fmt::format(" ({})", printable(entry.reason, 80));
  }
  if (remaining.size() > kMostNames) text += ", ...";
  if (progress.hidden > 0)
    text +=
        fmt::format("{} {} more that our role cannot see", remaining.empty() ? "," : ";", progress.hidden);
  if (const auto& pids = progress.logging_in; !pids.empty()) {
    const auto last = pids.begin() + static_cast<std::ptrdiff_t>(std::min(pids.size(), kMostNames));
    text += fmt::format("{} {} still logging in (pid {}{})",
                        remaining.empty() && progress.hidden == 0 ? "," : ";", counted(pids.size(), "client"),
                        fmt::join(pids.begin(), last, ", "), last == pids.end() ? "" : ", ...");
  }
  return text;
}

Event drain_announced_event(const Drain& plan, const Interval& window, ServerTime now) {
  auto event = event_of(plan, Level::kWarning, "drain_announced",
                        fmt::format("drain {} begins in {}, for {}", plan.name,
                                    time_until_text(window.start - now), to_text(plan.duration)));
  add_window(event, window);
  event.fields.emplace_back("begins_in_s", window.start - now);
  return event;
}

Event drain_missed_event(const Drain& plan, const Interval& window) {
  auto event =
      event_of(plan, Level::kWarning, "drain_missed",
               fmt::format("drain {} was to run from {} to {}; this pgcurfew was not watching then",
                           plan.name, plan.zone.to_text(window.start), plan.zone.to_text(window.end)));
  add_window(event, window);
  return event;
}

Event drain_began_event(const Drain& plan, const Interval& window, bool is_joined) {
  auto event = event_of(plan, Level::kNotice, "drain_began",
                        fmt::format("drain {} {}, until {}", plan.name,
                                    is_joined ? "is joined in the middle of its window" : "begins",
                                    plan.zone.to_text(window.end)));
  add_window(event, window);
  event.fields.emplace_back("gate", std::string(name_of(plan.gate)));
  event.fields.emplace_back("joined", is_joined);
  return event;
}

Event drain_no_database_event(const Drain& plan, std::string_view pattern) {
  auto event =
      event_of(plan, Level::kWarning, "drain_no_database",
               fmt::format("drain {}: there is no database {} to drain", plan.name, printable(pattern, 80)));
  event.fields.emplace_back("database", std::string(pattern));
  return event;
}

Event logins_unseen_event() {
  Event event;
  event.level = Level::kWarning;
  event.kind = "logins_unseen";
  event.message = "our role may not read pg_locks: a drain cannot know who is still logging in";
  event.fields.emplace_back("hint",
                            "EXECUTE on pg_lock_status() was revoked from PUBLIC: grant it to our role.");
  return event;
}

Event drain_phase_event(const Drain& plan, const DrainProgress& progress) {
  auto event = event_of(plan, Level::kInfo, "drain_phase",
                        fmt::format("drain {}: {}{}", plan.name, name_of(progress.phase),
                                    progress.has_looked ? ", left: " + remaining_text(progress) : ""));
  event.fields.emplace_back("phase", std::string(name_of(progress.phase)));
  event.fields.emplace_back("remaining", static_cast<std::int64_t>(progress.remaining.size()));
  return event;
}

Event drain_empty_event(const Drain& plan, const DrainProgress& progress, Duration after,
                        const InTheWay& in_the_way) {
  auto message = fmt::format("drain {}: {} {} empty", plan.name, list_of(progress.databases),
                             progress.databases.size() == 1 ? "is" : "are");
  const auto& [prepared, slots, backends] = in_the_way;
  if (!prepared.empty()) message += fmt::format("; prepared transactions: {}", list_of(prepared));
  if (!slots.empty()) message += fmt::format("; logical slots: {}", list_of(slots));
  if (!backends.empty()) message += fmt::format("; still in there: {}", list_of(backends));
  auto event = event_of(plan, Level::kNotice, "drain_empty", std::move(message));
  event.fields.emplace_back("databases", list_of(progress.databases));
  event.fields.emplace_back("after_s", after);
  event.fields.emplace_back("cancelled", static_cast<std::int64_t>(progress.cancelled));
  event.fields.emplace_back("terminated", static_cast<std::int64_t>(progress.terminated));
  if (!prepared.empty()) event.fields.emplace_back("prepared_transactions", list_of(prepared));
  if (!slots.empty()) event.fields.emplace_back("logical_slots", list_of(slots));
  if (!backends.empty()) event.fields.emplace_back("other_backends", list_of(backends));
  return event;
}

Event drain_refilled_event(const Drain& plan, const DrainProgress& progress) {
  auto event = event_of(plan, Level::kInfo, "drain_refilled",
                        fmt::format("drain {}: a session came in, {}", plan.name, remaining_text(progress)));
  event.fields.emplace_back("remaining", static_cast<std::int64_t>(progress.remaining.size()));
  return event;
}

Event drain_gave_up_event(const Drain& plan, const DrainProgress& progress) {
  const auto then = plan.give_up->then;
  const std::string_view consequence = then == GiveUpAction::kReopen ? "the database is given back"
                                       : then == GiveUpAction::kHold ? "the gate stays closed"
                                                                     : "it goes on";
  const auto why = progress.trouble.empty() ? remaining_text(progress) + " left" : progress.trouble;
  auto event = event_of(plan, Level::kError, "drain_gave_up",
                        fmt::format("drain {}: not empty after {}, {}: {}", plan.name,
                                    to_text(plan.give_up->after), why, consequence));
  event.fields.emplace_back("remaining", static_cast<std::int64_t>(progress.remaining.size()));
  event.fields.emplace_back("then", std::string(name_of(then)));
  return event;
}

Event drain_done_event(const Drain& plan, const DrainProgress& progress, const DrainEnd& end, Duration took) {
  const bool was_well = progress.was_emptied || plan.mode == Mode::kDryRun;
  const auto there = std::count_if(progress.remaining.begin(), progress.remaining.end(),
                                   [](const Remaining& entry) { return !entry.reason.empty(); });
  auto level = was_well ? Level::kNotice : Level::kError;
  auto message = fmt::format("drain {} is over: {}", plan.name, end.why);
  if (!end.was_gated) {
    message +=
        plan.databases.size() == 1 ? "; its gate was never closed" : "; its gates were never all closed";
    if (!progress.trouble.empty()) message += ": " + progress.trouble;
  } else if (!progress.was_emptied) {
    message += "; it never was empty";
    const bool is_anybody_left =
        !progress.remaining.empty() || progress.hidden > 0 || !progress.logging_in.empty();
    if (is_anybody_left) message += ", at the end there was " + remaining_text(progress);
  } else if (there > 0) {
    level = std::max(level, Level::kWarning);
    message += "; at the end there was " + remaining_text(progress);
  }
  if (end.leaves_closed) {
    message += fmt::format("; {} {} closed until \"pgcurfew reopen\"", list_of(progress.databases),
                           progress.databases.size() == 1 ? "stays" : "stay");
  }
  auto event = event_of(plan, level, "drain_done", std::move(message));
  event.fields.emplace_back("emptied", progress.was_emptied);
  event.fields.emplace_back("gave_up", progress.gave_up);
  event.fields.emplace_back("yielded", progress.yielded);
  event.fields.emplace_back("cancelled", static_cast<std::int64_t>(progress.cancelled));
  event.fields.emplace_back("terminated", static_cast<std::int64_t>(progress.terminated));
  event.fields.emplace_back("took_s", took);
  event.fields.emplace_back("reopened", !end.leaves_closed);
  event.fields.emplace_back("remaining", static_cast<std::int64_t>(there));
  return event;
}

Event drain_intent_event(const Drain& plan, const Order& order) {
  auto event = intent_event(order);
  event.message = fmt::format("{} {} {}: drain {}", order.mode == Mode::kDryRun ? "would now" : "about to",
                              name_of(order.step),
                              session_text(order.guard.session, order.user, order.database), plan.name);
  return event;
}

Event drain_outcome_event(const Drain& /*plan*/, const Order& order, const Reply& reply) {
  return outcome_event(order, reply);
}

Event drain_unkillable_event(const Drain& plan, const Session& session, Duration since) {
  auto event = event_of(plan, Level::kError, "unkillable",
                        fmt::format("{} (drain {}) is still there {} after it was terminated",
                                    session_text(session), plan.name, to_rough_text(since)));
  event.fields.emplace_back("pid", static_cast<std::int64_t>(session.key.pid));
  event.fields.emplace_back("session_id", session_id_text(session.key.backend_start, session.key.pid));
  event.fields.emplace_back("backend_start", session.key.backend_start);
  if (session.wait_event_type) event.fields.emplace_back("wait_event_type", *session.wait_event_type);
  if (session.wait_event) event.fields.emplace_back("wait_event", *session.wait_event);
  if (session.database) event.fields.emplace_back("database", *session.database);
  if (session.user) event.fields.emplace_back("user", *session.user);
  if (session.application_name) event.fields.emplace_back("application_name", *session.application_name);
  if (const auto client = value_of(session, Field::kClientAddr))
    event.fields.emplace_back("client_addr", *client);
  return event;
}

Event gate_intent_event(const Drain& plan, const GateOrder& order, bool is_retry) {
  auto event = gate_event(plan.name, order.database, is_retry ? Level::kDebug : Level::kInfo, "gate_intent",
                          fmt::format("about to {} the gate of database {}", order.closes ? "close" : "open",
                                      printable(order.database, 80)));
  event.fields.emplace_back("decision", order.id);
  event.fields.emplace_back("gate", std::string(name_of(order.kind)));
  if (is_of_server(order.kind)) event.fields.emplace_back("access", std::string(name_of(order.access)));
  return event;
}

Event gate_rehearsed_event(const Drain& plan, const std::string& database, GateAccess access) {
  const bool may = access != GateAccess::kNone || plan.gate == GateKind::kPgbouncer;
  auto event =
      gate_event(plan.name, database, may ? Level::kInfo : Level::kWarning, "gate_rehearsed",
                 may ? fmt::format("would now close the gate of database {}", printable(database, 80))
                     : fmt::format("could not close the gate of database {}: our role may not",
                                   printable(database, 80)));
  event.fields.emplace_back("gate", std::string(name_of(plan.gate)));
  if (is_of_server(plan.gate)) event.fields.emplace_back("access", std::string(name_of(access)));
  return event;
}

Event gate_closed_event(const Drain& plan, const std::string& database, const GateReply& reply) {
  auto event = gate_event(plan.name, database, Level::kNotice, "gate_closed",
                          fmt::format("closed the gate of database {}", printable(database, 80)));
  event.fields.emplace_back("decision", reply.id);
  event.fields.emplace_back("gate", std::string(name_of(plan.gate)));
  event.fields.emplace_back("mark", std::string(reply.in_journal ? "journal" : "server"));
  if (!is_of_server(plan.gate)) event.fields.emplace_back("pools", list_of(reply.pools));
  if (reply.mark) add_mark(event, *reply.mark, plan.gate);
  return event;
}

Event gate_adopted_event(const Drain& plan, const std::string& database, const GateMark& mark,
                         std::string_view by) {
  auto event = gate_event(
      plan.name, database, Level::kNotice, "gate_adopted",
      fmt::format("the gate of database {} was closed for this drain already, by {}", printable(database, 80),
                  mark.by == by ? std::string("us") : printable(mark.by, 80)));
  add_mark(event, mark, plan.gate);
  return event;
}

Event gate_opened_event(std::string_view drain, const std::string& database, GateKind kind,
                        const GateReply& reply) {
  auto level = Level::kNotice;
  std::string message;
  switch (reply.outcome) {
    case GateOutcome::kForeign:
      level = Level::kWarning;
      message =
          fmt::format("left the gate of database {} as another client has set it", printable(database, 80));
      if (reply.limit != 0 || !is_of_server(kind)) message += ": " + limit_text(reply.limit);
      break;
    case GateOutcome::kGone:
      message = fmt::format("the gate of database {} was opened by another client", printable(database, 80));
      break;
    default:
      message = fmt::format("opened the gate of database {}", printable(database, 80));
      break;
  }
  if (reply.outcome != GateOutcome::kGone && is_of_server(kind) && reply.limit == 0) {
    level = Level::kWarning;
    message += ": its limit is 0, as it was found, and only superusers get in";
  }
  auto event = gate_event(drain, database, level, "gate_opened", std::move(message));
  event.fields.emplace_back("decision", reply.id);
  event.fields.emplace_back("outcome", std::string(name_of(reply.outcome)));
  if (reply.outcome != GateOutcome::kGone && is_of_server(kind))
    event.fields.emplace_back("limit", static_cast<std::int64_t>(reply.limit));
  return event;
}

Event gate_overridden_event(const Drain& plan, const std::string& database) {
  return gate_event(plan.name, database, Level::kWarning, "gate_overridden",
                    fmt::format("another client has changed the gate of database {}: it is theirs, and the "
                                "drain ends",
                                printable(database, 80)));
}

Event gate_renamed_event(const Drain& plan, const std::string& database, const std::string& now) {
  auto event = gate_event(plan.name, now, Level::kNotice, "gate_renamed",
                          fmt::format("database {} is called {} now, and its gate is closed still",
                                      printable(database, 80), printable(now, 80)));
  event.fields.emplace_back("renamed_from", database);
  return event;
}

Event gate_gone_event(const Drain& plan, const std::string& database) {
  return gate_event(plan.name, database, Level::kWarning, "gate_gone",
                    fmt::format("database {} was dropped, and its gate with it", printable(database, 80)));
}

Event gate_replaced_event(const Drain& plan, const std::string& database) {
  return gate_event(plan.name, database, Level::kWarning, "gate_replaced",
                    fmt::format("another database is called {} now, whose gate is open: closing it, too",
                                printable(database, 80)));
}

Event gate_lost_event(const Drain& plan, const std::string& database) {
  return gate_event(
      plan.name, database, Level::kWarning, "gate_lost",
      fmt::format("PgBouncer was restarted and lets clients of database {} in: closing the gate again",
                  printable(database, 80)));
}

Event gate_failed_event(std::string_view drain, const std::string& database, bool closes, const Error& error,
                        Duration retry) {
  auto event = gate_event(drain, database, Level::kError, "gate_failed",
                          fmt::format("could not {} the gate of database {}: {}", closes ? "close" : "open",
                                      printable(database, 80), printable(error.message)));
  event.fields.emplace_back("retry_s", retry);
  add_error(event, error);
  return event;
}

Event gate_found_event(const Gate& gate) {
  const auto& mark = *gate.mark;
  auto event = gate_event(
      mark.drain, gate.database, Level::kNotice, "gate_found",
      fmt::format("the gate of database {} is held by {} for drain {}", printable(gate.database, 80),
                  printable(mark.by, 80), printable(mark.drain, 80)));
  add_mark(event, mark, gate.kind);
  return event;
}

Event gate_overdue_event(const Gate& gate, Mode mode) {
  const auto& mark = *gate.mark;
  auto event = gate_event(
      mark.drain, gate.database, Level::kWarning, "gate_found",
      fmt::format("the gate of database {} was left closed past its time: giving it back{}",
                  printable(gate.database, 80),
                  mode == Mode::kDryRun ? "; a dry run does so with what enforcement has closed" : ""));
  add_mark(event, mark, gate.kind);
  return event;
}

}  // namespace pgcurfew
