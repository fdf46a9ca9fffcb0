#include "app/gate_keeper.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

/// It takes somebody to change that: a drain by hand ends at once.
constexpr const char* kNotInPrerequisiteState = "55000";

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

/// What is to be given back; `standing`: in the journal.
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

GateKeeper::GateKeeper(Loop& loop, std::string server, std::vector<Conninfo::Host> hosts,
                       std::function<void()> on_progress)
    : loop_(loop),
      server_(std::move(server)),
      hosts_(std::move(hosts)),
      on_progress_(std::move(on_progress)),
      watched_pgbouncers_(loop) {}

std::vector<Happening> GateKeeper::take_happenings() {
  return std::exchange(happened_, {});
}
std::vector<Event> GateKeeper::take_events() {
  return std::exchange(events_, {});
}

void GateKeeper::refuse(const GateOrder& order, GateOutcome outcome, Error error) {
  GateReply reply;
  reply.id = order.id;
  reply.outcome = outcome;
  reply.error = std::move(error);
  happened_.emplace_back(happening::GateTurned{std::move(reply)});
}

/// Once each: the gates are read again and again.
void GateKeeper::complain(const Error& error) {
  if (!complaints_.insert(error.message).second) return;
  Event event(Kind::kJournalFailed,
              fmt::format("the journal of gates of {}: {}", server_, printable(error.message)));
  event.add(error);
  events_.push_back(std::move(event));
}

void GateKeeper::try_to(const Result<void>& done) {
  if (!done) complain(done.error());
}

std::optional<GateOrder> GateKeeper::turn(const GateOrder& order) {
  const bool is_pgbouncers = order.kind == GateKind::kPgbouncer;
  const bool uses_journal =
      is_pgbouncers || (order.closes ? order.access == GateAccess::kJournal : order.in_journal);
  if (!uses_journal) return order;
  const auto journal = open_journal();
  if (!journal) {
    refuse(order, GateOutcome::kFailed, journal.error());
    return std::nullopt;
  }
  const auto entry = find_entry(*journal, order);
  return order.closes ? close(*journal, order, entry) : open(*journal, order, entry);
}

std::optional<GateOrder> GateKeeper::close(const Journal& journal, GateOrder order,
                                           const std::optional<JournalEntry>& entry) {
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
    happened_.emplace_back(happening::GateTurned{std::move(reply)});
    return std::nullopt;
  }
  if (order.kind == GateKind::kConnectionLimit) {
    const auto known = known_.find(order.oid);
    if (known == known_.end()) {
      refuse(order, GateOutcome::kFailed,
             {"the connection limit of the database is not known yet", {}, {}, {}});
      return std::nullopt;
    }
    order.mark.limit = limit_before(known->second.limit, known->second.mark, standing);
  }
  if (standing && !is_over) order.mark.since = standing->since;
  auto made = entry.value_or(entry_for(order));
  made.database = order.database;
  made.mark = to_text(order.mark);
  made.state = JournalState::kClosing;
  if (order.kind == GateKind::kPgbouncer) {
    made.pgbouncer_conninfo = order.pgbouncer_conninfo;
    made.pgbouncer_gate = name_of(order.pgbouncer_gate);
  }
  // a file that cannot be read may hold the limit that is to be given back: it is not written over
  auto unnamed = made;
  unnamed.system_identifier.clear();
  unnamed.oid = 0;
  for (const auto& file : {made, unnamed}) {
    const auto found = journal.find(file);
    if (found) continue;
    auto error = found.error();
    error.sqlstate = kNotInPrerequisiteState;
    refuse(order, GateOutcome::kFailed, std::move(error));
    return std::nullopt;
  }
  if (const auto written = journal.write(made); !written) {
    refuse(order, GateOutcome::kFailed, written.error());
    return std::nullopt;
  }
  const auto key = journal.path_of(made);
  entries_.insert_or_assign(key, made);
  return start(key, order, {order, std::move(made), entry});
}

std::optional<GateOrder> GateKeeper::open(const Journal& journal, GateOrder order,
                                          const std::optional<JournalEntry>& entry) {
  if (!entry || entry->mark != order.mark_text) {
    refuse(order, GateOutcome::kGone, {});
    return std::nullopt;
  }
  auto made = *entry;
  made.state = JournalState::kOpening;
  write(journal, made);
  if (order.kind == GateKind::kPgbouncer) {
    order.pgbouncer_conninfo = made.pgbouncer_conninfo;
    order.pgbouncer_gate = pgbouncer_gate_of(made);
    order.pools.clear();
    for (const auto& pool : made.pools) order.pools.push_back(TextPattern::exact(pool));
  }
  const auto key = journal.path_of(made);
  return start(key, order, {order, std::move(made), entry});
}

std::optional<GateOrder> GateKeeper::start(const Key& key, GateOrder order, Flight flight) {
  flights_.insert_or_assign(key, std::move(flight));
  if (order.kind != GateKind::kPgbouncer) return order;
  auto pgbouncer = std::make_unique<Pgbouncer>(PgbouncerTurn(std::move(order), hosts_, Loop::now()));
  pgbouncer->timer = std::make_unique<Timer>(loop_, [this, key] { pump_pgbouncer(key); });
  // it may fail at once, and its reply must not come before the order has been given
  pgbouncer->timer->arm(Loop::now());
  pgbouncers_.insert_or_assign(key, std::move(pgbouncer));
  return std::nullopt;
}

void GateKeeper::pump_pgbouncer(const Key& key) {
  finished_.clear();
  const auto found = pgbouncers_.find(key);
  if (found == pgbouncers_.end()) return;
  auto& pgbouncer = *found->second;
  const auto ready = std::exchange(pgbouncer.ready, {});
  if (auto reply = pgbouncer.turn.proceed(Loop::now(), ready)) {
    auto flight = flights_.extract(key);
    if (flight) settle(std::move(flight.mapped()), *reply, pgbouncer.turn.has_acted());
    happened_.emplace_back(happening::GateTurned{std::move(*reply)});
    // one of its timers and descriptors calls just now: they fall silent, and go later
    pgbouncer.timer->disarm();
    for (const auto& readiness : pgbouncer.readiness) readiness->watch(-1, false, false);
    pgbouncer.turn.hang_up();
    finished_.push_back(std::move(found->second));
    pgbouncers_.erase(found);
    on_progress_();
    return;
  }
  const auto interests = pgbouncer.turn.interests();
  for (std::size_t i = 0; i < interests.size(); ++i) {
    if (i == pgbouncer.readiness.size()) {
      pgbouncer.readiness.push_back(std::make_unique<Readiness>(loop_, [this, key, i] {
        const auto called = pgbouncers_.find(key);
        if (called == pgbouncers_.end()) return;
        called->second->ready.resize(std::max(called->second->ready.size(), i + 1));
        called->second->ready[i] = true;
        pump_pgbouncer(key);
      }));
    }
    pgbouncer.readiness[i]->watch(interests[i].fd, interests[i].write, interests[i].may_have_moved);
  }
  pgbouncer.timer->arm(pgbouncer.turn.wake_at());
}

void GateKeeper::forget_orders() {
  for (auto flight = flights_.begin(); flight != flights_.end();) {
    const bool is_pgbouncers = flight->second.order.kind == GateKind::kPgbouncer;
    flight = is_pgbouncers ? std::next(flight) : flights_.erase(flight);
  }
}

/// Writes down what became of a turn.
void GateKeeper::settle(Flight flight, GateReply& reply, bool may_have_acted) {
  const auto journal = open_journal();
  if (!journal) return complain(journal.error());
  auto& entry = flight.entry;
  switch (reply.outcome) {
    case GateOutcome::kClosed:
      entry.state = JournalState::kClosed;
      entry.pools = reply.pools;
      write(*journal, entry);
      reply.in_journal = true;
      reply.mark_text = entry.mark;
      if (auto mark = parse_gate_mark(entry.mark)) reply.mark = std::move(*mark);
      if (flight.order.kind != GateKind::kPgbouncer) return;
      // over a new connection, and at once: what was open on the old one is no longer
      watched_pgbouncers_.forget(entry.database);
      watched_pgbouncers_.look(gate_at_pgbouncer(entry));
      return;
    case GateOutcome::kOpened:
    case GateOutcome::kForeign:
    case GateOutcome::kGone:
      return remove(*journal, entry);
    default:
      break;
  }
  if (!flight.order.closes) {
    entry.state = JournalState::kClosed;
    write(*journal, entry);
  } else if (flight.before) {
    write(*journal, *flight.before);
  } else if (!may_have_acted) {
    remove(*journal, entry);
  }
  if (reply.error.message.empty() || flight.order.kind == GateKind::kPgbouncer) return;
  if (reply.limit >= -1 && reply.outcome == GateOutcome::kFailed && reply.error.sqlstate.empty()) {
    known_[flight.order.oid].limit = reply.limit;
  }
}

void GateKeeper::complete(Happening& what) {
  if (auto* read = std::get_if<happening::GatesRead>(&what)) return merge(read->gates);
  if (std::holds_alternative<happening::ConnectionLost>(what)) return forget_orders();
  auto* turned = std::get_if<happening::GateTurned>(&what);
  if (turned == nullptr) return;
  const auto found = std::find_if(flights_.begin(), flights_.end(), [&](const auto& flight) {
    const auto& order = flight.second.order;
    return order.id == turned->reply.id && order.kind == GateKind::kConnectionLimit;
  });
  if (found == flights_.end()) return;
  auto flight = std::move(found->second);
  flights_.erase(found);
  settle(std::move(flight), turned->reply, false);
}

void GateKeeper::merge(Gates& gates) {
  cluster_ = gates.system_identifier;
  known_.clear();
  for (const auto& gate : gates.gates) known_[gate.oid] = {gate.database, gate.limit, gate.mark};
  const auto journal = open_journal();
  if (!journal) return;  // it is told when something has to be written
  std::set<std::string> at_pgbouncers;
  for (auto& entry : read_entries(*journal)) {
    if (kind_of(entry) == GateKind::kPgbouncer) at_pgbouncers.insert(entry.database);
    merge_entry(*journal, std::move(entry), gates);
  }
  watched_pgbouncers_.keep_only(at_pgbouncers);
}

/// PgBouncer forgets its gates when it is restarted, and anybody may open one.
void GateKeeper::look_at_pgbouncer(Gate& gate) {
  const auto seen = watched_pgbouncers_.look(gate);
  gate.limit = seen == PgbouncerState::kOpened ? -1 : 0;
  gate.is_lost = seen == PgbouncerState::kLost;
}

void GateKeeper::merge_entry(const Journal& journal, JournalEntry entry, Gates& gates) {
  const auto kind = kind_of(entry);
  auto mark = parse_gate_mark(entry.mark);
  if (!kind || !mark) {
    return complain(
        {fmt::format("the entry of database {} is not understood", printable(entry.database)), {}, {}, {}});
  }
  if (flights_.contains(journal.path_of(entry))) return;
  const bool was_closing = entry.state == JournalState::kClosing;
  const bool was_opening = entry.state == JournalState::kOpening;
  auto* gate = find_gate(gates, entry);
  if (*kind == GateKind::kPgbouncer) {
    // whether PgBouncer was told, nobody knows: such a gate is opened, and closed again if it is still time
    if (was_closing) mark->until = mark->since;
    gate = &gates.gates.emplace_back(gate_at_pgbouncer(entry));
    if (!was_closing) look_at_pgbouncer(*gate);
  } else if (gate == nullptr) {
    complain({fmt::format("database {} is gone", printable(entry.database)),
              fmt::format("Its connection limit was {} before it was drained.", mark->limit),
              {},
              {}});
    return remove(journal, entry);
  } else if ((was_closing && gate->limit != 0) ||
             (was_opening && gate->limit == mark->limit && gate->limit != 0)) {
    // it was not closed yet, or is open already
    return remove(journal, entry);
  } else if (!gate->mark_text.empty()) {
    return;  // another's mark stands in the server, and comes first
  }
  if (was_closing || was_opening || entry.database != gate->database) {
    entry.state = JournalState::kClosed;
    entry.mark = to_text(*mark);
    entry.database = gate->database;
    write(journal, entry);
  }
  gate->mark = *mark;
  gate->mark_text = entry.mark;
  gate->in_journal = true;
}

}  // namespace pgcurfew
