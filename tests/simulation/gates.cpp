#include "simulation/gates.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace pgcurfew::simulation {

namespace {

constexpr std::size_t kKept = 200;

std::optional<GateMark> mark_of(const std::string& text) {
  auto mark = parse_gate_mark(text);
  return mark ? std::optional(std::move(*mark)) : std::nullopt;
}

GateReply failed(const GateOrder& order, std::string message, std::string sqlstate) {
  GateReply reply;
  reply.id = order.id;
  reply.outcome = sqlstate == "42501" ? GateOutcome::kDenied : GateOutcome::kFailed;
  reply.error = {std::move(message), {}, {}, std::move(sqlstate)};
  return reply;
}

}  // namespace

Gates Databases::read(const Server& server, bool with_logins) const {
  Gates gates;
  gates.taken_at = server.shown_now();
  gates.system_identifier = kCluster;
  gates.own_database = kOwn;
  gates.in_recovery = server.in_recovery;
  gates.has_asked_logins = with_logins;
  for (const auto& [name, database] : all) {
    Gate gate;
    gate.database = name;
    gate.oid = database.oid;
    gate.limit = database.limit;
    gate.mark_text = database.mark;
    gate.mark = mark_of(database.mark);
    gate.access = database.access;
    for (const auto& [pid, arrival] : server.arrivals) {
      if (with_logins && arrival.database == name) gate.logging_in.push_back(fmt::format("{}", pid));
    }
    gates.gates.push_back(std::move(gate));
  }
  return gates;
}

GateReply Databases::turn(const GateOrder& order, bool in_recovery, ServerTime now, Duration at) {
  const auto found = all.find(order.database);
  if (in_recovery) return failed(order, "cannot execute ALTER DATABASE in a read-only transaction", "25006");
  if (found == all.end()) return failed(order, "the database does not exist", "3D000");
  auto& database = found->second;
  if (database.access == GateAccess::kNone) return failed(order, "must be owner of database", "42501");
  remember(at);
  return order.closes ? close(database, order, now) : open(database, order, at);
}

GateReply Databases::close(Database& database, const GateOrder& order, ServerTime now) {
  const bool is_journals = order.access == GateAccess::kJournal;
  GateReply reply;
  reply.id = order.id;
  reply.outcome = GateOutcome::kClosed;
  auto mark = order.mark;
  int previous = database.limit;
  if (const auto standing = mark_of(database.mark)) {
    const bool is_over = standing->until && *standing->until <= now;
    if (standing->drain != mark.drain && !is_over) {
      reply.outcome = GateOutcome::kHeld;
      reply.mark = standing;
      reply.mark_text = database.mark;
      reply.limit = database.limit;
      return reply;
    }
    if (database.limit == 0) previous = standing->limit;
    if (standing->drain == mark.drain && !is_over) mark.since = standing->since;
  }
  if (is_journals && order.mark.limit != previous && (database.limit != 0 || !database.mark.empty())) {
    reply = failed(order, fmt::format("the connection limit of the database is {} now", previous), "");
    reply.limit = previous;
    return reply;
  }
  if (!is_journals) mark.limit = previous;
  database.limit = reply.limit = 0;
  reply.mark = mark;
  reply.mark_text = to_text(mark);
  reply.in_journal = is_journals;
  if (!is_journals) database.mark = reply.mark_text;
  // a clock that was set back: it cannot have been later than now
  mark.since = std::min(mark.since, now);
  // two journals are independent: the time of the first closing counts
  const bool was_closed = database.closed_for == mark.drain && is_journals;
  if (was_closed) mark.since = std::min(mark.since, database.closed_since);
  database.closed_for = mark.drain;
  database.since[mark.drain] = database.closed_since = mark.since;
  return reply;
}

GateReply Databases::open(Database& database, const GateOrder& order, Duration at) const {
  GateReply reply;
  reply.id = order.id;
  reply.in_journal = order.in_journal;
  reply.limit = database.limit;
  if (!order.in_journal && database.mark != order.mark_text) {
    reply.outcome = GateOutcome::kGone;
    reply.mark_text = database.mark;
    reply.mark = mark_of(database.mark);
    return reply;
  }
  if (database.limit != 0 || (order.in_journal && order.is_theirs)) {
    reply.outcome = GateOutcome::kForeign;
  } else if (order.in_journal && !database.mark.empty()) {
    return failed(order, "the database is held by another drain", "55006");
  } else {
    reply.outcome = GateOutcome::kOpened;
    reply.limit = database.limit = mark_of(order.mark_text)->limit;
    if (!database.closed_for.empty()) database.opened[database.closed_for] = at;
    database.closed_for.clear();
  }
  if (!order.in_journal) database.mark.clear();
  return reply;
}

void Databases::meddle(const std::string& name, int limit, Duration at) {
  remember(at);
  auto& database = all.at(name);
  database.limit = database.intended = limit;
  database.meddled = at;
  if (!database.closed_for.empty()) database.opened[database.closed_for] = at;
  database.closed_for.clear();
}

/// Records the state up to now.
void Databases::remember(Duration at) {
  history_.emplace_back(at, all);
  if (history_.size() > kKept) history_.pop_front();
}

const std::map<std::string, Database>& Databases::as_of(Duration at) const {
  const auto later =
      std::find_if(history_.begin(), history_.end(), [&](const auto& entry) { return entry.first > at; });
  return later == history_.end() ? all : later->second;
}

void Databases::become(std::map<std::string, Database> databases, Duration at) {
  remember(at);
  for (auto& [name, database] : databases) {
    // drains whose gate was closed before, and is not any more
    for (const auto& [drain, since] : all[name].since) {
      database.since.try_emplace(drain, since);
      if (database.closed_for != drain) database.opened[drain] = at;
    }
  }
  all = std::move(databases);
}

}  // namespace pgcurfew::simulation
