#include "drains/gate_keeper.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

PgbouncerGate pgbouncer_gate_of(const JournalEntry& entry) {
  return entry.pgbouncer_gate == name_of(PgbouncerGate::kDisable) ? PgbouncerGate::kDisable
                                                                  : PgbouncerGate::kPause;
}

Gate gate_at_pgbouncer(const JournalEntry& entry) {
  Gate gate;
  gate.database = entry.database;
  gate.kind = GateKind::kPgbouncer;
  gate.pgbouncer_conninfo = entry.pgbouncer_conninfo;
  gate.pgbouncer_gate = pgbouncer_gate_of(entry);
  gate.pools = entry.pools;
  gate.limit = 0;
  gate.access = GateAccess::kJournal;
  return gate;
}

/// The connection limit to restore; `standing`: the mark in the journal of gates.
int limit_before(int limit, const std::optional<GateMark>& in_server, const Result<GateMark>& standing) {
  if (limit == 0 && standing) return standing->limit;
  if (limit == 0 && in_server) return in_server->limit;
  return limit;
}

Gate* find_gate(Gates& gates, const JournalEntry& entry) {
  for (auto& gate : gates.gates) {
    const bool is_same = entry.oid != 0 ? gate.oid == entry.oid : gate.database == entry.database;
    if (is_same && gate.kind == GateKind::kConnectionLimit) return &gate;
  }
  return nullptr;
}

}  // namespace

std::vector<GateReply> GateKeeper::take_replies() {
  return std::exchange(replies_, {});
}
std::vector<pgbouncer::Command> GateKeeper::take_commands() {
  return std::exchange(commands_, {});
}

void GateKeeper::refuse(const GateOrder& order, GateOutcome outcome, Error error) {
  GateReply reply;
  reply.id = order.id;
  reply.outcome = outcome;
  reply.error = std::move(error);
  replies_.push_back(std::move(reply));
}

std::set<GateKeeper::Key> GateKeeper::in_flight() const {
  std::set<Key> keys;
  for (const auto& flight : flights_) keys.insert(flight.first);
  return keys;
}

std::optional<GateOrder> GateKeeper::turn(const GateOrder& order) {
  const bool is_pgbouncers = order.kind == GateKind::kPgbouncer;
  const bool uses_journal =
      is_pgbouncers || (order.closes ? order.access == GateAccess::kJournal : order.in_journal);
  if (!uses_journal) return order;
  if (const auto opened = book_.open(); !opened) {
    refuse(order, GateOutcome::kFailed, opened.error());
    return std::nullopt;
  }
  const auto entry = book_.find(order, in_flight());
  return order.closes ? close(order, entry) : open(order, entry);
}

std::optional<GateOrder> GateKeeper::close(GateOrder order, const std::optional<JournalEntry>& entry) {
  const auto standing = entry ? parse_gate_mark(entry->mark) : failure("there is none");
  const auto now = order.mark.since;
  const bool is_over = standing && standing->until && *standing->until <= now;
  if (standing && !is_over && standing->drain != order.mark.drain) {
    GateReply reply;
    reply.id = order.id;
    reply.outcome = GateOutcome::kHeld;
    reply.mark = *standing;
    reply.mark_text = entry->mark;
    reply.in_journal = true;
    replies_.push_back(std::move(reply));
    return std::nullopt;
  }
  if (order.kind == GateKind::kConnectionLimit) {
    const auto* known = book_.known(order.oid);
    if (known == nullptr) {
      refuse(order, GateOutcome::kFailed,
             {"the connection limit of the database is not known yet", {}, {}, {}});
      return std::nullopt;
    }
    order.mark.limit = limit_before(known->limit, known->mark, standing);
  }
  if (standing && !is_over) order.mark.since = standing->since;
  auto made = entry.value_or(book_.entry_for(order));
  made.database = order.database;
  made.mark = to_text(order.mark);
  made.state = JournalState::kClosing;
  if (order.kind == GateKind::kPgbouncer) {
    // closed again for the same mark: another instance must not read the entry as a gate that never closed
    if (standing && !is_over && entry->state == JournalState::kClosed) made.state = JournalState::kClosed;
    made.pgbouncer_conninfo = order.pgbouncer_conninfo;
    made.pgbouncer_gate = name_of(order.pgbouncer_gate);
  }
  if (const auto written = book_.write_first(made); !written) {
    refuse(order, GateOutcome::kFailed, written.error());
    return std::nullopt;
  }
  return start(order, {order, std::move(made), entry});
}

std::optional<GateOrder> GateKeeper::open(GateOrder order, const std::optional<JournalEntry>& entry) {
  if (!entry || entry->mark != order.mark_text) {
    refuse(order, GateOutcome::kGone, {});
    return std::nullopt;
  }
  auto made = *entry;
  made.state = JournalState::kOpening;
  book_.write(made);
  if (order.kind == GateKind::kPgbouncer) {
    order.pgbouncer_conninfo = made.pgbouncer_conninfo;
    order.pgbouncer_gate = pgbouncer_gate_of(made);
    order.pools.clear();
    for (const auto& pool : made.pools) order.pools.push_back(TextPattern::exact(pool));
  }
  return start(order, {order, std::move(made), entry});
}

std::optional<GateOrder> GateKeeper::start(GateOrder order, Flight flight) {
  auto key = GateBook::key_of(flight.entry);
  flights_.insert_or_assign(std::move(key), std::move(flight));
  if (order.kind != GateKind::kPgbouncer) return order;
  commands_.emplace_back(pgbouncer::Turn{std::move(order)});
  return std::nullopt;
}

std::optional<GateKeeper::Flight> GateKeeper::take_flight(const std::string& id, GateKind kind) {
  const auto found = std::find_if(flights_.begin(), flights_.end(), [&](const auto& flight) {
    return flight.second.order.id == id && flight.second.order.kind == kind;
  });
  if (found == flights_.end()) return std::nullopt;
  auto flight = std::move(found->second);
  flights_.erase(found);
  return flight;
}

void GateKeeper::pgbouncer_turned(GateReply reply, bool may_have_acted) {
  if (auto flight = take_flight(reply.id, GateKind::kPgbouncer))
    settle(std::move(*flight), reply, may_have_acted);
  replies_.push_back(std::move(reply));
}

void GateKeeper::pgbouncer_seen(const std::string& database, PgbouncerState state) {
  const auto found = seen_.find(database);
  // a console that does not answer has neither closed nor opened a gate
  if (found != seen_.end() && state != PgbouncerState::kUnknown) found->second = state;
}

void GateKeeper::connection_lost() {
  for (auto flight = flights_.begin(); flight != flights_.end();) {
    const bool is_pgbouncers = flight->second.order.kind == GateKind::kPgbouncer;
    flight = is_pgbouncers ? std::next(flight) : flights_.erase(flight);
  }
}

/// Records the result of an order in the journal of gates.
void GateKeeper::settle(Flight flight, GateReply& reply, bool may_have_acted) {
  if (const auto opened = book_.open(); !opened) return book_.complain(opened.error());
  auto& entry = flight.entry;
  switch (reply.outcome) {
    case GateOutcome::kClosed:
      entry.state = JournalState::kClosed;
      entry.pools = reply.pools;
      book_.write(entry);
      reply.in_journal = true;
      reply.mark_text = entry.mark;
      if (auto mark = parse_gate_mark(entry.mark)) reply.mark = std::move(*mark);
      if (flight.order.kind != GateKind::kPgbouncer) return;
      // over a new connection, and at once: the old one's state no longer counts
      forget(entry.database);
      look(gate_at_pgbouncer(entry));
      seen_.insert_or_assign(entry.database, PgbouncerState::kClosed);
      return;
    case GateOutcome::kOpened:
    case GateOutcome::kForeign:
    case GateOutcome::kGone:
      return remove(entry);
    default:
      break;
  }
  if (!flight.order.closes) {
    entry.state = JournalState::kClosed;
    book_.write(entry);
  } else if (flight.before) {
    book_.write(*flight.before);
  } else if (!may_have_acted) {
    remove(entry);
  }
  if (reply.error.message.empty() || flight.order.kind == GateKind::kPgbouncer) return;
  if (reply.limit >= -1 && reply.outcome == GateOutcome::kFailed && reply.error.sqlstate.empty()) {
    book_.note_limit(flight.order.oid, reply.limit);
  }
}

void GateKeeper::complete(GateReply& reply) {
  if (auto flight = take_flight(reply.id, GateKind::kConnectionLimit))
    settle(std::move(*flight), reply, false);
}

void GateKeeper::complete(Gates& gates) {
  book_.note(gates);
  if (!book_.open()) return;  // the error is reported when an entry has to be written
  std::set<std::string> at_pgbouncers;
  for (auto& entry : book_.read(in_flight())) {
    if (GateBook::kind_of(entry) == GateKind::kPgbouncer) at_pgbouncers.insert(entry.database);
    merge(std::move(entry), gates);
  }
  std::vector<std::string> gone;
  for (const auto& watched : seen_) {
    if (!at_pgbouncers.contains(watched.first)) gone.push_back(watched.first);
  }
  for (const auto& database : gone) forget(database);
}

PgbouncerState GateKeeper::look(const Gate& gate) {
  commands_.emplace_back(pgbouncer::Look{gate});
  return seen_.try_emplace(gate.database, PgbouncerState::kUnknown).first->second;
}

void GateKeeper::forget(const std::string& database) {
  if (seen_.erase(database) > 0) commands_.emplace_back(pgbouncer::Forget{database});
}

void GateKeeper::remove(const JournalEntry& entry) {
  if (GateBook::kind_of(entry) == GateKind::kPgbouncer) forget(entry.database);
  book_.remove(entry);
}

/// PgBouncer forgets its gates when it is restarted, and any client of its console may open one, even between
/// our looks.
void GateKeeper::look_at_pgbouncer(Gate& gate) {
  const auto seen = look(gate);
  gate.limit = seen == PgbouncerState::kOpened ? -1 : 0;
  gate.is_lost = seen == PgbouncerState::kLost || seen == PgbouncerState::kUnknown;
}

void GateKeeper::merge(JournalEntry entry, Gates& gates) {
  const auto kind = GateBook::kind_of(entry);
  auto mark = parse_gate_mark(entry.mark);
  if (!kind || !mark) {
    return book_.complain(
        {fmt::format("the entry of database {} could not be parsed", printable(entry.database)), {}, {}, {}});
  }
  if (flights_.contains(GateBook::key_of(entry))) return;
  const bool was_closing = entry.state == JournalState::kClosing;
  const bool was_opening = entry.state == JournalState::kOpening;
  auto* gate = find_gate(gates, entry);
  if (*kind == GateKind::kPgbouncer) {
    // it is unknown whether PgBouncer got the command: such a gate is opened, and closed again if it is still
    // time
    if (was_closing) mark->until = mark->since;
    gate = &gates.gates.emplace_back(gate_at_pgbouncer(entry));
    if (!was_closing) look_at_pgbouncer(*gate);
  } else if (gate == nullptr) {
    book_.complain({fmt::format("database {} is gone", printable(entry.database)),
                    fmt::format("Its connection limit was {} before it was drained.", mark->limit),
                    {},
                    {}});
    return remove(entry);
  } else if ((was_closing && gate->limit != 0) ||
             (was_opening && gate->limit == mark->limit && gate->limit != 0)) {
    // it was not closed yet, or is open already
    return remove(entry);
  } else if (!gate->mark_text.empty()) {
    return;  // another drain's mark is in the server, and comes first
  }
  if (was_closing || was_opening || entry.database != gate->database) {
    entry.state = JournalState::kClosed;
    entry.mark = to_text(*mark);
    entry.database = gate->database;
    book_.write(entry);
  }
  gate->mark = *mark;
  gate->mark_text = entry.mark;
  gate->in_journal = true;
}

}  // namespace pgcurfew
