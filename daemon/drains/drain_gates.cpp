#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "drains/drain_events.hpp"
#include "drains/drain_reach.hpp"
#include "drains/drain_run.hpp"
#include "policy/condition.hpp"

/// The part of a drain that turns gates.
namespace pgcurfew {

namespace {

using std::chrono::seconds;

constexpr Duration kFirstRetry = seconds(1);
constexpr Duration kLastRetry = seconds(30);
constexpr Duration kTurnDeadline = seconds(10);
constexpr Duration kLastLockRetry = seconds(5);
constexpr std::string_view kLockNotAvailable = "55P03";

/// Whether only a change from outside helps: a privilege, another database, the end of another drain.
bool is_lasting(const Error& error) {
  constexpr std::array<std::string_view, 5> kLasting{"42501", "55006", "25006", "55000", "0A000"};
  return std::find(kLasting.begin(), kLasting.end(), error.sqlstate) != kLasting.end();
}

const Gate* find_at_pgbouncer(const Gates& gates, std::string_view database) {
  for (const auto& gate : gates.gates) {
    if (gate.database == database && gate.kind == GateKind::kPgbouncer) return &gate;
  }
  return nullptr;
}

}  // namespace

bool DrainRun::all_closed() const {
  return !our_gates_.empty() && std::all_of(our_gates_.begin(), our_gates_.end(), [](const auto& entry) {
    return entry.second.state == GateState::kClosed || entry.second.is_gone;
  });
}

/// Whether all gates were read since the connection was made, or a turn failed.
bool DrainRun::all_known() const {
  return std::all_of(our_gates_.begin(), our_gates_.end(),
                     [](const auto& entry) { return entry.second.is_known; });
}

bool DrainRun::any_closed() const {
  return std::any_of(our_gates_.begin(), our_gates_.end(),
                     [](const auto& entry) { return entry.second.state == GateState::kClosed; });
}

void DrainRun::take(const Gates& gates, Now now) {
  needs_gates_ = false;
  if (phase_ == DrainPhase::kDone) return;
  follow_databases(gates);
  find_gates(gates, now);
  progress_.logging_in.clear();
  for (auto& [database, ours] : our_gates_) {
    match_gate(database, ours, gates, now);
    note_who_logs_in(database, ours, gates);
    if (!ours.logging_in) continue;
    progress_.logging_in.insert(progress_.logging_in.end(), ours.logging_in->begin(), ours.logging_in->end());
  }
}

/// Only clients that were logging in when the gate had closed can have got in: a refused client also logs in
/// for a moment, and if many retry there is always one.
void DrainRun::note_who_logs_in(const std::string& database, OurGate& ours, const Gates& gates) const {
  const auto* here = find_database(ours, database, gates);
  if (!has_gate() || ours.state != GateState::kClosed) {
    ours.logging_in.reset();
  } else if (here == nullptr) {
    ours.logging_in.emplace();  // for PgBouncer's gates: the database was dropped
  } else if (!gates.has_asked_logins) {
    return;
  } else if (!ours.logging_in) {
    ours.logging_in = here->logging_in;
  } else {
    std::erase_if(*ours.logging_in, [&](const std::string& pid) {
      return std::find(here->logging_in.begin(), here->logging_in.end(), pid) == here->logging_in.end();
    });
  }
}

bool DrainRun::knows_who_logs_in() const {
  return !has_gate() || std::all_of(our_gates_.begin(), our_gates_.end(), [](const auto& entry) {
    return entry.second.is_gone || entry.second.logging_in;
  });
}

void DrainRun::match_gate(const std::string& database, OurGate& ours, const Gates& gates, Now now) {
  if (!ours.order.empty()) return;
  const auto* here = find_database(ours, database, gates);
  ours.is_known = true;
  if (here != nullptr) {
    ours.prepared = here->prepared;
    ours.slots = here->slots;
    ours.oid = here->oid;
    ours.access = here->access;
    ours.limit = here->limit;
  }
  if (here != nullptr && rehearses()) {
    if (const auto error = obstacle_to(plan_, *here, gates)) note_obstacle(database, *error);
  }
  if (!has_gate()) return;
  const bool is_pgbouncers = plan_.gate == GateKind::kPgbouncer;
  if (here == nullptr && (!is_pgbouncers || ours.state == GateState::kOpen)) {
    return lose_database(database, ours);
  }
  ours.is_gone = false;
  auto gate = here != nullptr ? *here : Gate();
  if (is_pgbouncers) {
    gate.mark.reset();
    gate.limit = 0;
    if (const auto* pgbouncer = find_at_pgbouncer(gates, database)) gate = *pgbouncer;
  }
  if (ours.state == GateState::kClosed) {
    match_closed_gate(database, ours, gate, now);
  } else if (ours.state == GateState::kOpen && !is_ending_) {
    match_open_gate(database, ours, gate, gates, now);
  } else if (ours.may_be_closed) {
    match_lost_closing(ours, gate);
  }
}

/// Whether an order to close, whose reply was lost, has closed the gate that has to be opened now.
void DrainRun::match_lost_closing(OurGate& ours, const Gate& gate) {
  ours.may_be_closed = false;
  if (!gate.mark || gate.mark->drain != plan_.name) return;
  // the mark of an earlier process of ours, if we had taken it over
  const bool is_taken_over = gate.is_lost || (ours.mark && gate.mark_text == ours.mark_text);
  if (gate.mark->by != by_ && !is_taken_over) return;
  ours.mark = gate.mark;
  ours.mark_text = gate.mark_text;
  ours.in_journal = gate.in_journal;
  ours.state = GateState::kClosed;
  ours.not_before.reset();
}

void DrainRun::match_open_gate(const std::string& database, OurGate& ours, const Gate& gate,
                               const Gates& gates, Now now) {
  bool is_in_force = gate.mark && (!gate.mark->until || *gate.mark->until > now.server);
  // held since an earlier window, and opened by another client: its limit is the previous one now
  if (is_in_force && gate.mark->drain == plan_.name && gate.limit != 0 && gate.mark->since < window_.start) {
    is_in_force = false;
  }
  ours.is_stale = gate.mark && !is_in_force;
  if (ours.is_stale) {
    ours.mark_text = gate.mark_text;
    ours.in_journal = gate.in_journal;
  }
  if (is_in_force && gate.mark->drain == plan_.name) {
    ours.mark = gate.mark;
    ours.mark_text = gate.mark_text;
    ours.in_journal = gate.in_journal;
    ours.may_be_closed = gate.is_lost;
    if (gate.is_lost) return;  // it is closed again, for the same mark
    ours.failures = 0;
    ours.trouble.clear();
    if (gate.limit != 0) return yield(database, ours, true);
    ours.state = GateState::kClosed;
    tell(gate_adopted_event(plan_, database, *gate.mark, by_));
    return;
  }
  if (is_in_force) {
    return fail(database, ours,
                {fmt::format("drain {} of {} holds its gate{}", printable(gate.mark->drain, 80),
                             printable(gate.mark->by, 80),
                             gate.mark->until ? " until " + to_text(*gate.mark->until) : ""),
                 {},
                 {},
                 "55006"},
                true, now);
  }
  if (const auto error = obstacle_to(plan_, gate, gates)) return fail(database, ours, *error, true, now);
}

/// A gate that we closed: if it is not as we left it, another client has changed it, and it is left alone.
void DrainRun::match_closed_gate(const std::string& database, OurGate& ours, const Gate& gate, Now now) {
  // another instance may have closed it for the same drain after us: then the mark is its own
  const bool is_ours = gate.mark && gate.mark->drain == plan_.name;
  if (is_ours) {
    ours.mark = gate.mark;
    ours.mark_text = gate.mark_text;
    ours.in_journal = gate.in_journal;
    // it was open in between, and sessions that came then get the whole wait too
    const auto since = std::min(gate.mark->since, now.server);
    if (since_ && since > *since_) {
      since_ = since;
      empty_looks_ = 0;
      was_emptied_since_ = false;
    }
  }
  if (is_ours && gate.is_lost && !is_ending_) return lose(database, ours);
  if (is_ours && gate.limit == 0) return;
  if (is_ending_ && !is_ours) {
    ours.state = GateState::kOpen;  // an opening whose reply was lost
    return;
  }
  yield(database, ours, is_ours);
}

/// No client opened it, and sessions that have come in meanwhile are treated like all others.
void DrainRun::lose(const std::string& database, OurGate& ours) {
  ours.state = GateState::kOpen;
  ours.may_be_closed = true;  // its mark is there, and is removed at the end if the gate does not close again
  was_lost_ = true;
  tell(gate_lost_event(plan_, database));
}

/// Another client opened the gate because it wants access. No more sessions are signalled there.
void DrainRun::yield(const std::string& database, OurGate& ours, bool is_marked) {
  ours.state = is_marked ? GateState::kYielded : GateState::kOpen;
  ours.is_theirs = is_marked;
  progress_.yielded = true;
  tell(gate_overridden_event(plan_, database));
  end("another client opened the gate", true);
}

bool DrainRun::may_turn(OurGate& ours, Now now) {
  if (!ours.order.empty()) return false;
  if (ours.not_before && now.monotonic < *ours.not_before) {
    due_by(*ours.not_before, now);
    return false;
  }
  if (!ours.is_known) needs_gates_ = true;
  if (!ours.is_known || plan_.gate == GateKind::kPgbouncer) return ours.is_known;
  // signals of rules wait behind each order that waits for a lock; but opening comes first
  const auto turning = std::count_if(our_gates_.begin(), our_gates_.end(),
                                     [](const auto& entry) { return !entry.second.order.empty(); });
  return turning < (is_ending_ ? kMostOpenings : 1);
}

void DrainRun::close_gates(Ledger& ledger, Now now) {
  if (!has_found_gates_) {
    if (find_again_ && now.monotonic < *find_again_) return due_by(*find_again_, now);
    needs_gates_ = true;
    return;
  }
  for (auto& [database, ours] : our_gates_) {
    if (ours.state != GateState::kOpen || ours.is_gone) continue;
    if (!has_gate()) {
      if (rehearses() && plan_.gate != GateKind::kNone)
        tell(gate_rehearsed_event(plan_, database, ours.access));
      ours.state = GateState::kClosed;
      ours.mark = GateMark{plan_.name, by_, -1, now.server, window_.end};
    } else if (may_turn(ours, now)) {
      turn(database, ours, !ours.is_stale, ledger, now);
    }
  }
  mark_as_closed(ledger, now);
}

void DrainRun::mark_as_closed(Ledger& ledger, Now now) {
  if (!all_closed()) return;
  if (since_) {
    // looks that were requested while the gate was open show nothing of a closed one
    if (std::exchange(was_lost_, false)) start_looking_anew(ledger);
    return;
  }
  since_ = ServerTime::min();
  for (const auto& entry : our_gates_) {
    if (entry.second.mark) since_ = std::max(*since_, entry.second.mark->since);
  }
  // a gate that was held since the last time was not closed for this one
  since_ = std::min(std::max(*since_, window_.start), now.server);
  start_looking_anew(ledger);
  progress_.has_looked = false;
  progress_.remaining.clear();
  progress_.trouble.clear();
  if (!rehearses()) progress_.obstacle = missing_;
}

void DrainRun::start_looking_anew(const Ledger& ledger) {
  looks_before_ = ledger.looks_sent;
  needs_gates_ = needs_gates_ || has_gate();
  early_readings_ = 0;
  empty_looks_ = 0;
  claims_.reset();
}

/// Whether the end of the drain opens its gate, or removes the remaining mark.
bool DrainRun::has_to_open(const OurGate& ours) const {
  const bool opens = plan_.reopens || gives_back_ || !has_gate();
  const bool is_closed = ours.state == GateState::kClosed || ours.may_be_closed;
  return ours.state == GateState::kYielded || (is_closed && opens);
}

/// Whether a gate stays closed after the end.
bool DrainRun::leaves_closed() const {
  return has_gate() && std::any_of(our_gates_.begin(), our_gates_.end(), [this](const auto& entry) {
           return entry.second.state == GateState::kClosed && !has_to_open(entry.second);
         });
}

void DrainRun::open_gates(Ledger& ledger, Now now) {
  for (auto& [database, ours] : our_gates_) {
    if (ours.state == GateState::kOpen && ours.may_be_closed && ours.order.empty()) {
      needs_gates_ = true;  // reading shows whether it is closed, and that is possible at any time
    }
    if (ours.state == GateState::kOpen || !has_to_open(ours)) continue;
    if (!has_gate()) {
      ours.state = GateState::kOpen;
    } else if (may_turn(ours, now)) {
      turn(database, ours, false, ledger, now);
    }
  }
}

void DrainRun::turn(const std::string& database, OurGate& ours, bool closes, Ledger& ledger, Now now) {
  GateOrder order;
  order.id = fmt::format("{}-{}", ledger.prefix, ++ledger.decisions);
  order.closes = closes;
  order.database = database;
  order.oid = ours.oid;
  order.kind = plan_.gate;
  order.access = ours.access;
  order.pgbouncer_gate = plan_.pgbouncer_gate;
  order.pgbouncer_conninfo = plan_.pgbouncer_conninfo;
  order.pools = plan_.pools;
  order.mark = {plan_.name, by_, ours.limit, now.server,
                plan_.reopens ? std::optional(window_.end) : std::nullopt};
  order.mark_text = ours.mark_text;
  order.in_journal = ours.in_journal;
  order.is_theirs = ours.is_theirs;
  ours.order = order.id;
  ours.sent = now.monotonic;
  ours.state = closes ? GateState::kClosing : GateState::kOpening;
  due_by(now.monotonic + kTurnDeadline, now);
  tell(gate_intent_event(plan_, order, ours.failures > 0));
  actions_.gates.push_back(std::move(order));
}

void DrainRun::expire_orders(Now now) {
  for (auto& [database, ours] : our_gates_) {
    if (ours.order.empty()) continue;
    if (now.monotonic < ours.sent + kTurnDeadline) {
      due_by(ours.sent + kTurnDeadline, now);
      continue;
    }
    const bool closes = ours.state == GateState::kClosing;
    ours.may_be_closed = ours.may_be_closed || closes;
    ours.order.clear();
    ours.state = closes || ours.is_stale ? GateState::kOpen : GateState::kClosed;
    fail(database, ours, {fmt::format("no reply within {}", to_text(kTurnDeadline)), {}, {}, {}}, closes,
         now);
  }
}

bool DrainRun::take(const GateReply& reply, Now now) {
  const auto found = std::find_if(our_gates_.begin(), our_gates_.end(),
                                  [&](const auto& entry) { return entry.second.order == reply.id; });
  if (reply.id.empty() || found == our_gates_.end()) return false;
  auto& [database, ours] = *found;
  ours.order.clear();
  if (ours.state == GateState::kClosing) {
    take_closing(database, ours, reply, now);
  } else {
    take_opening(database, ours, reply, now);
  }
  return true;
}

void DrainRun::take_closing(const std::string& database, OurGate& ours, const GateReply& reply, Now now) {
  if (reply.outcome == GateOutcome::kClosed && reply.mark) {
    ours.state = GateState::kClosed;
    ours.may_be_closed = false;
    ours.is_theirs = false;
    ours.logging_in.reset();
    ours.mark = reply.mark;
    ours.mark_text = reply.mark_text;
    ours.in_journal = reply.in_journal;
    ours.failures = 0;
    ours.not_before.reset();
    ours.trouble.clear();
    tell(gate_closed_event(plan_, database, reply));
    return;
  }
  ours.state = GateState::kOpen;
  auto error = reply.error;
  if (reply.outcome == GateOutcome::kHeld && reply.mark) {
    error.message = fmt::format("drain {} of {} holds its gate", printable(reply.mark->drain, 80),
                                printable(reply.mark->by, 80));
    error.sqlstate = "55006";
  }
  fail(database, ours, error, true, now);
}

void DrainRun::take_opening(const std::string& database, OurGate& ours, const GateReply& reply, Now now) {
  switch (reply.outcome) {
    case GateOutcome::kOpened:
    case GateOutcome::kForeign:
    case GateOutcome::kGone:
      ours.state = GateState::kOpen;
      progress_.has_opened = progress_.has_opened || is_ending_;
      if (std::exchange(ours.is_stale, false)) ours.is_known = false;
      ours.failures = 0;
      ours.trouble.clear();
      progress_.trouble.clear();
      tell(gate_opened_event(plan_.name, database, plan_.gate, reply));
      return;
    default:
      ours.state = ours.is_stale ? GateState::kOpen : GateState::kClosed;
      return fail(database, ours, reply.error, false, now);
  }
}

/// A gate did not turn: logged if the reason is new, tried again later.
void DrainRun::fail(const std::string& database, OurGate& ours, const Error& error, bool closes, Now now) {
  ours.is_known = false;
  // the transaction that holds the lock may commit at any moment
  const bool is_locked = error.sqlstate == kLockNotAvailable;
  const auto longest = !is_locked ? kLastRetry : closes ? kLastLockRetry : kFirstRetry;
  const auto wait = std::min<Duration>(longest, kFirstRetry * (1 << std::min(ours.failures, 5)));
  ++ours.failures;
  ours.not_before = now.monotonic + wait;
  due_by(*ours.not_before, now);
  const bool lasts = is_lasting(error) || (plan_.gate == GateKind::kPgbouncer && ours.failures > 1);
  if (closes && lasts) note_obstacle(database, error);
  progress_.trouble = fmt::format("{}: {}", printable(database, 80), printable(error.message));
  if (ours.trouble == error.message) return;
  ours.trouble = error.message;
  tell(gate_failed_event(plan_.name, database, closes, error, wait));
}

void DrainRun::note_obstacle(const std::string& database, const Error& error) {
  progress_.obstacle = error;
  progress_.obstacle->message = fmt::format("{}: {}", database, error.message);
}

}  // namespace pgcurfew
