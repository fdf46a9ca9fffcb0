#include "drains/drain_events.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/counted.hpp"
#include "base/duration.hpp"
#include "base/words.hpp"
#include "engine/narrate.hpp"
#include "engine/narrate_fields.hpp"
#include "events/fields.hpp"

namespace pgcurfew {

namespace {

constexpr std::size_t kMostNames = 5;

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + printable(name, 80);
  return text;
}

Event event_of(const Drain& plan, Kind kind, std::string message) {
  Event event(kind, std::move(message));
  event.add(field::kDrain, plan.name);
  event.add(field::kMode, name_of(plan.mode));
  return event;
}

Event gate_event(std::string_view drain, const std::string& database, Kind kind, std::string message) {
  Event event(kind, std::move(message));
  event.add(field::kDrain, drain);
  event.add(field::kDatabase, database);
  return event;
}

void add_window(Event& event, const Interval& window) {
  event.add(field::kBegins, window.start);
  event.add(field::kEnds, window.end);
}

/// PgBouncer's gate has no limit, and needs no privilege of our role.
bool is_of_server(GateKind kind) {
  return kind == GateKind::kConnectionLimit;
}

void add_mark(Event& event, const GateMark& mark, GateKind kind) {
  event.add(field::kBy, mark.by);
  if (is_of_server(kind)) event.add(field::kLimitBefore, mark.limit);
  if (mark.until) event.add(field::kUntil, *mark.until);
}

/// An announcement is due this long before, and made a moment later.
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
  auto event = event_of(plan, Kind::kDrainAnnounced,
                        fmt::format("drain {} begins in {}, for {}", plan.name,
                                    time_until_text(window.start - now), to_text(plan.duration)));
  add_window(event, window);
  event.add(field::kBeginsInS, window.start - now);
  return event;
}

Event drain_missed_event(const Drain& plan, const Interval& window) {
  auto event =
      event_of(plan, Kind::kDrainMissed,
               fmt::format("drain {} was to run from {} to {}; this pgcurfew was not watching then",
                           plan.name, plan.zone.to_text(window.start), plan.zone.to_text(window.end)));
  add_window(event, window);
  return event;
}

Event drain_began_event(const Drain& plan, const Interval& window, bool is_joined) {
  auto event = event_of(plan, Kind::kDrainBegan,
                        fmt::format("drain {} {}, until {}", plan.name,
                                    is_joined ? "is joined after the beginning of its window" : "begins",
                                    plan.zone.to_text(window.end)));
  add_window(event, window);
  event.add(field::kGate, name_of(plan.gate));
  event.add(field::kJoined, is_joined);
  return event;
}

Event drain_no_database_event(const Drain& plan, std::string_view pattern) {
  auto event =
      event_of(plan, Kind::kDrainNoDatabase,
               fmt::format("drain {}: there is no database {} to drain", plan.name, printable(pattern, 80)));
  event.add(field::kDatabase, pattern);
  return event;
}

Event logins_unseen_event() {
  Event event(Kind::kLoginsUnseen,
              "our role may not read pg_locks: a drain cannot know which sessions are still logging in");
  event.add(field::kHint, "EXECUTE on pg_lock_status() was revoked from PUBLIC: grant it to our role.");
  return event;
}

Event drain_phase_event(const Drain& plan, const DrainProgress& progress) {
  auto event = event_of(plan, Kind::kDrainPhase,
                        fmt::format("drain {}: {}{}", plan.name, name_of(progress.phase),
                                    progress.has_looked ? ", left: " + remaining_text(progress) : ""));
  event.add(field::kPhase, name_of(progress.phase));
  event.add(field::kRemaining, progress.remaining.size());
  return event;
}

Event drain_empty_event(const Drain& plan, const DrainProgress& progress, Duration after,
                        const InTheWay& in_the_way) {
  auto message = fmt::format("drain {}: {} {} empty", plan.name, list_of(progress.databases),
                             progress.databases.size() == 1 ? "is" : "are");
  const auto& [prepared, slots, backends] = in_the_way;
  if (!prepared.empty()) message += fmt::format("; prepared transactions: {}", list_of(prepared));
  if (!slots.empty()) message += fmt::format("; logical slots: {}", list_of(slots));
  if (!backends.empty()) message += fmt::format("; other backends: {}", list_of(backends));
  auto event = event_of(plan, Kind::kDrainEmpty, std::move(message));
  event.add(field::kDatabases, list_of(progress.databases));
  event.add(field::kAfterS, after);
  event.add(field::kCancelled, progress.cancelled);
  event.add(field::kTerminated, progress.terminated);
  if (!prepared.empty()) event.add(field::kPreparedTransactions, list_of(prepared));
  if (!slots.empty()) event.add(field::kLogicalSlots, list_of(slots));
  if (!backends.empty()) event.add(field::kOtherBackends, list_of(backends));
  return event;
}

Event drain_refilled_event(const Drain& plan, const DrainProgress& progress) {
  auto event = event_of(plan, Kind::kDrainRefilled,
                        fmt::format("drain {}: a session came in, {}", plan.name, remaining_text(progress)));
  event.add(field::kRemaining, progress.remaining.size());
  return event;
}

Event drain_gave_up_event(const Drain& plan, const DrainProgress& progress) {
  const auto then = plan.give_up->then;
  const std::string_view consequence = then == GiveUpAction::kReopen ? "the gate is opened"
                                       : then == GiveUpAction::kHold ? "the gate stays closed"
                                                                     : "it goes on";
  const auto why = progress.trouble.empty() ? remaining_text(progress) + " left" : progress.trouble;
  auto event = event_of(plan, Kind::kDrainGaveUp,
                        fmt::format("drain {}: not empty after {}, {}: {}", plan.name,
                                    to_text(plan.give_up->after), why, consequence));
  event.add(field::kRemaining, progress.remaining.size());
  event.add(field::kThen, name_of(then));
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
  auto event = event_of(plan, Kind::kDrainDone, std::move(message));
  event.level = level;
  event.add(field::kEmptied, progress.was_emptied);
  event.add(field::kGaveUp, progress.gave_up);
  event.add(field::kYielded, progress.yielded);
  event.add(field::kCancelled, progress.cancelled);
  event.add(field::kTerminated, progress.terminated);
  event.add(field::kTookS, took);
  event.add(field::kReopened, !end.leaves_closed);
  event.add(field::kRemaining,
            progress.was_emptied ? static_cast<std::size_t>(there) : progress.remaining.size());
  return event;
}

Event gate_intent_event(const Drain& plan, const GateOrder& order, bool is_retry) {
  auto event = gate_event(plan.name, order.database, Kind::kGateIntent,
                          fmt::format("about to {} the gate of database {}", order.closes ? "close" : "open",
                                      printable(order.database, 80)));
  if (is_retry) event.level = Level::kDebug;
  event.add(field::kDecision, order.id);
  event.add(field::kGate, name_of(order.kind));
  if (is_of_server(order.kind)) event.add(field::kAccess, name_of(order.access));
  return event;
}

Event gate_rehearsed_event(const Drain& plan, const std::string& database, GateAccess access) {
  const bool may = access != GateAccess::kNone || plan.gate == GateKind::kPgbouncer;
  auto event =
      gate_event(plan.name, database, Kind::kGateRehearsed,
                 may ? fmt::format("would now close the gate of database {}", printable(database, 80))
                     : fmt::format("could not close the gate of database {}: our role may not",
                                   printable(database, 80)));
  if (!may) event.level = Level::kWarning;
  event.add(field::kGate, name_of(plan.gate));
  if (is_of_server(plan.gate)) event.add(field::kAccess, name_of(access));
  return event;
}

Event gate_closed_event(const Drain& plan, const std::string& database, const GateReply& reply) {
  auto event = gate_event(plan.name, database, Kind::kGateClosed,
                          fmt::format("closed the gate of database {}", printable(database, 80)));
  event.add(field::kDecision, reply.id);
  event.add(field::kGate, name_of(plan.gate));
  event.add(field::kMark, reply.in_journal ? "journal" : "server");
  if (!is_of_server(plan.gate)) event.add(field::kPools, list_of(reply.pools));
  if (reply.mark) add_mark(event, *reply.mark, plan.gate);
  return event;
}

Event gate_adopted_event(const Drain& plan, const std::string& database, const GateMark& mark,
                         std::string_view by) {
  auto event = gate_event(
      plan.name, database, Kind::kGateAdopted,
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
  auto event = gate_event(drain, database, Kind::kGateOpened, std::move(message));
  event.level = level;
  event.add(field::kDecision, reply.id);
  event.add(field::kOutcome, name_of(reply.outcome));
  if (reply.outcome != GateOutcome::kGone && is_of_server(kind)) event.add(field::kLimit, reply.limit);
  return event;
}

Event gate_overridden_event(const Drain& plan, const std::string& database) {
  return gate_event(
      plan.name, database, Kind::kGateOverridden,
      fmt::format("another client has changed the gate of database {}: it is left alone, and the drain ends",
                  printable(database, 80)));
}

Event gate_renamed_event(const Drain& plan, const std::string& database, const std::string& now) {
  auto event = gate_event(plan.name, now, Kind::kGateRenamed,
                          fmt::format("database {} was renamed to {}, and its gate is still closed",
                                      printable(database, 80), printable(now, 80)));
  event.add(field::kRenamedFrom, database);
  return event;
}

Event gate_gone_event(const Drain& plan, const std::string& database) {
  return gate_event(plan.name, database, Kind::kGateGone,
                    fmt::format("database {} was dropped, and its gate with it", printable(database, 80)));
}

Event gate_replaced_event(const Drain& plan, const std::string& database) {
  return gate_event(plan.name, database, Kind::kGateReplaced,
                    fmt::format("another database has the name {} now, and its gate is open: closing it too",
                                printable(database, 80)));
}

Event gate_lost_event(const Drain& plan, const std::string& database) {
  return gate_event(
      plan.name, database, Kind::kGateLost,
      fmt::format("PgBouncer was restarted and lets clients of database {} in: closing the gate again",
                  printable(database, 80)));
}

Event gate_failed_event(std::string_view drain, const std::string& database, bool closes, const Error& error,
                        Duration retry) {
  auto event = gate_event(drain, database, Kind::kGateFailed,
                          fmt::format("could not {} the gate of database {}: {}", closes ? "close" : "open",
                                      printable(database, 80), printable(error.message)));
  event.add(field::kRetryS, retry);
  event.add(error);
  return event;
}

Event gate_found_event(const Gate& gate) {
  const auto& mark = *gate.mark;
  auto event = gate_event(
      mark.drain, gate.database, Kind::kGateFound,
      fmt::format("the gate of database {} is held by {} for drain {}", printable(gate.database, 80),
                  printable(mark.by, 80), printable(mark.drain, 80)));
  add_mark(event, mark, gate.kind);
  return event;
}

Event gate_overdue_event(const Gate& gate, Mode mode) {
  const auto& mark = *gate.mark;
  auto event = gate_event(
      mark.drain, gate.database, Kind::kGateFound,
      fmt::format("the gate of database {} was left closed past its time: opening it{}",
                  printable(gate.database, 80),
                  mode == Mode::kDryRun ? "; a dry run also opens gates that enforcement has closed" : ""));
  event.level = Level::kWarning;
  add_mark(event, mark, gate.kind);
  return event;
}

}  // namespace pgcurfew
