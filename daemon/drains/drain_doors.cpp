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

/// The half of a drain that turns gates.
namespace pgcurfew {

namespace {

using std::chrono::seconds;

constexpr Duration kFirstRetry = seconds(1);
constexpr Duration kLastRetry = seconds(30);
constexpr Duration kTurnDeadline = seconds(10);
constexpr Duration kLastLockRetry = seconds(5);
constexpr std::string_view kLockNotAvailable = "55P03";

/// Whether it takes somebody to change that: a right, another database, the end of another drain.
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
  return !doors_.empty() && std::all_of(doors_.begin(), doors_.end(), [](const auto& entry) {
    return entry.second.state == DoorState::kClosed || entry.second.is_gone;
  });
}

/// Whether all gates were read since the connection was made, or a turn failed.
bool DrainRun::all_known() const {
  return std::all_of(doors_.begin(), doors_.end(), [](const auto& entry) { return entry.second.is_known; });
}

bool DrainRun::any_closed() const {
  return std::any_of(doors_.begin(), doors_.end(),
                     [](const auto& entry) { return entry.second.state == DoorState::kClosed; });
}

void DrainRun::take(const Gates& gates, Now now) {
  needs_gates_ = false;
  if (phase_ == DrainPhase::kDone) return;
  follow_databases(gates);
  find_doors(gates, now);
  progress_.logging_in.clear();
  for (auto& [database, door] : doors_) {
    match_door(database, door, gates, now);
    note_who_logs_in(database, door, gates);
    if (!door.logging_in) continue;
    progress_.logging_in.insert(progress_.logging_in.end(), door.logging_in->begin(), door.logging_in->end());
  }
}

/// Who did not log in when the gate had closed has not come past it: a client that is refused, too, logs in
/// for a moment, and where many try again and again there is always one.
void DrainRun::note_who_logs_in(const std::string& database, Door& door, const Gates& gates) const {
  const auto* here = find_database(door, database, gates);
  if (!has_gate() || door.state != DoorState::kClosed) {
    door.logging_in.reset();
  } else if (here == nullptr) {
    door.logging_in.emplace();  // of PgBouncer's gates: the database was dropped
  } else if (!gates.has_asked_logins) {
    return;
  } else if (!door.logging_in) {
    door.logging_in = here->logging_in;
  } else {
    std::erase_if(*door.logging_in, [&](const std::string& pid) {
      return std::find(here->logging_in.begin(), here->logging_in.end(), pid) == here->logging_in.end();
    });
  }
}

bool DrainRun::knows_who_logs_in() const {
  return !has_gate() || std::all_of(doors_.begin(), doors_.end(), [](const auto& entry) {
    return entry.second.is_gone || entry.second.logging_in;
  });
}

void DrainRun::match_door(const std::string& database, Door& door, const Gates& gates, Now now) {
  if (!door.order.empty()) return;
  const auto* here = find_database(door, database, gates);
  door.is_known = true;
  if (here != nullptr) {
    door.prepared = here->prepared;
    door.slots = here->slots;
    door.oid = here->oid;
    door.access = here->access;
    door.limit = here->limit;
  }
  if (here != nullptr && rehearses()) {
    if (const auto error = obstacle_to(plan_, *here, gates)) note_obstacle(database, *error);
  }
  if (!has_gate()) return;
  const bool is_pgbouncers = plan_.gate == GateKind::kPgbouncer;
  if (here == nullptr && (!is_pgbouncers || door.state == DoorState::kOpen)) {
    return lose_database(database, door);
  }
  door.is_gone = false;
  auto gate = here != nullptr ? *here : Gate();
  if (is_pgbouncers) {
    gate.mark.reset();
    gate.limit = 0;
    if (const auto* pgbouncer = find_at_pgbouncer(gates, database)) gate = *pgbouncer;
  }
  if (door.state == DoorState::kClosed) {
    match_closed_door(database, door, gate, now);
  } else if (door.state == DoorState::kOpen && !is_ending_) {
    match_open_door(database, door, gate, gates, now);
  } else if (door.may_be_closed) {
    match_lost_closing(door, gate);
  }
}

/// Whether a closing whose reply was lost has closed the gate that is to be opened now.
void DrainRun::match_lost_closing(Door& door, const Gate& gate) {
  door.may_be_closed = false;
  if (!gate.mark || gate.mark->drain != plan_.name || (gate.mark->by != by_ && !gate.is_lost)) return;
  door.mark = gate.mark;
  door.mark_text = gate.mark_text;
  door.in_journal = gate.in_journal;
  door.state = DoorState::kClosed;
  door.not_before.reset();
}

void DrainRun::match_open_door(const std::string& database, Door& door, const Gate& gate, const Gates& gates,
                               Now now) {
  bool is_in_force = gate.mark && (!gate.mark->until || *gate.mark->until > now.server);
  // held since an earlier window, and opened by somebody else without us: their limit is what was before
  if (is_in_force && gate.mark->drain == plan_.name && gate.limit != 0 && gate.mark->since < window_.start) {
    is_in_force = false;
  }
  door.is_stale = gate.mark && !is_in_force;
  if (door.is_stale) {
    door.mark_text = gate.mark_text;
    door.in_journal = gate.in_journal;
  }
  if (is_in_force && gate.mark->drain == plan_.name) {
    door.mark = gate.mark;
    door.mark_text = gate.mark_text;
    door.in_journal = gate.in_journal;
    door.may_be_closed = gate.is_lost;
    if (gate.is_lost) return;  // it is closed anew, for the same mark
    door.failures = 0;
    door.trouble.clear();
    if (gate.limit != 0) return yield(database, door, true);
    door.state = DoorState::kClosed;
    tell(gate_adopted_event(plan_, database, *gate.mark, by_));
    return;
  }
  if (is_in_force) {
    return fail(database, door,
                {fmt::format("drain {} of {} holds its gate{}", printable(gate.mark->drain, 80),
                             printable(gate.mark->by, 80),
                             gate.mark->until ? " until " + to_text(*gate.mark->until) : ""),
                 {},
                 {},
                 "55006"},
                true, now);
  }
  if (const auto error = obstacle_to(plan_, gate, gates)) return fail(database, door, *error, true, now);
}

/// The gate that we closed: if it is not as we left it, somebody else has been there, and it is theirs.
void DrainRun::match_closed_door(const std::string& database, Door& door, const Gate& gate, Now now) {
  // another instance may have closed it for the same drain after us: the mark is its own then
  const bool is_ours = gate.mark && gate.mark->drain == plan_.name;
  if (is_ours) {
    door.mark = gate.mark;
    door.mark_text = gate.mark_text;
    door.in_journal = gate.in_journal;
    // it was open in between, and whoever came then has the whole time too
    if (since_) since_ = std::max(*since_, std::min(gate.mark->since, now.server));
  }
  if (is_ours && gate.is_lost && !is_ending_) return lose(database, door);
  if (is_ours && gate.limit == 0) return;
  if (is_ending_ && !is_ours) {
    door.state = DoorState::kOpen;  // an opening whose reply was lost
    return;
  }
  yield(database, door, is_ours);
}

/// Nobody opened it, and whoever has come in meanwhile is dealt with as all others.
void DrainRun::lose(const std::string& database, Door& door) {
  door.state = DoorState::kOpen;
  door.may_be_closed = true;  // its mark stands there, and goes at the end if it should not close any more
  tell(gate_lost_event(plan_, database));
}

/// Somebody else opened the gate: they want in. Nobody is signalled there any more.
void DrainRun::yield(const std::string& database, Door& door, bool is_marked) {
  door.state = is_marked ? DoorState::kYielded : DoorState::kOpen;
  door.is_theirs = is_marked;
  progress_.yielded = true;
  tell(gate_overridden_event(plan_, database));
  end("another client opened the gate", true);
}

bool DrainRun::may_turn(Door& door, Now now) {
  if (!door.order.empty()) return false;
  if (door.not_before && now.monotonic < *door.not_before) {
    due_by(*door.not_before, now);
    return false;
  }
  if (!door.is_known) needs_gates_ = true;
  if (!door.is_known || plan_.gate == GateKind::kPgbouncer) return door.is_known;
  // behind each that waits for a lock wait the signals of rules; but to give back comes first
  const auto turning = std::count_if(doors_.begin(), doors_.end(),
                                     [](const auto& entry) { return !entry.second.order.empty(); });
  return turning < (is_ending_ ? kMostOpenings : 1);
}

void DrainRun::close_gates(Ledger& ledger, Now now) {
  if (!has_found_doors_) {
    if (find_again_ && now.monotonic < *find_again_) return due_by(*find_again_, now);
    needs_gates_ = true;
    return;
  }
  for (auto& [database, door] : doors_) {
    if (door.state != DoorState::kOpen || door.is_gone) continue;
    if (!has_gate()) {
      if (rehearses() && plan_.gate != GateKind::kNone)
        tell(gate_rehearsed_event(plan_, database, door.access));
      door.state = DoorState::kClosed;
      door.mark = GateMark{plan_.name, by_, -1, now.server, window_.end};
    } else if (may_turn(door, now)) {
      turn(database, door, !door.is_stale, ledger, now);
    }
  }
  mark_as_closed(ledger, now);
}

void DrainRun::mark_as_closed(Ledger& ledger, Now now) {
  if (since_ || !all_closed()) return;
  since_ = ServerTime::min();
  for (const auto& entry : doors_) {
    if (entry.second.mark) since_ = std::max(*since_, entry.second.mark->since);
  }
  // a gate that was held since the last time was not closed for this one
  since_ = std::min(std::max(*since_, window_.start), now.server);
  looks_before_ = ledger.looks_sent;
  needs_gates_ = needs_gates_ || has_gate();
  early_readings_ = 0;
  look_.reset();
  progress_.has_looked = false;
  progress_.remaining.clear();
  progress_.trouble.clear();
  if (!rehearses()) progress_.obstacle = missing_;
}

/// Whether the end of the drain opens its gate, or takes away the mark that is left of it.
bool DrainRun::has_to_open(const Door& door) const {
  const bool opens = plan_.reopens || gives_back_ || !has_gate();
  const bool is_closed = door.state == DoorState::kClosed || door.may_be_closed;
  return door.state == DoorState::kYielded || (is_closed && opens);
}

/// Whether a gate stays closed after the end.
bool DrainRun::leaves_closed() const {
  return has_gate() && std::any_of(doors_.begin(), doors_.end(), [this](const auto& entry) {
           return entry.second.state == DoorState::kClosed && !has_to_open(entry.second);
         });
}

void DrainRun::open_gates(Ledger& ledger, Now now) {
  for (auto& [database, door] : doors_) {
    if (door.state == DoorState::kOpen && door.may_be_closed && door.order.empty()) {
      needs_gates_ = true;  // it is read whether it is closed, and that can be done at any time
    }
    if (door.state == DoorState::kOpen || !has_to_open(door)) continue;
    if (!has_gate()) {
      door.state = DoorState::kOpen;
    } else if (may_turn(door, now)) {
      turn(database, door, false, ledger, now);
    }
  }
}

void DrainRun::turn(const std::string& database, Door& door, bool closes, Ledger& ledger, Now now) {
  GateOrder order;
  order.id = fmt::format("{}-{}", ledger.prefix, ++ledger.decisions);
  order.closes = closes;
  order.database = database;
  order.oid = door.oid;
  order.kind = plan_.gate;
  order.access = door.access;
  order.pgbouncer_gate = plan_.pgbouncer_gate;
  order.pgbouncer_conninfo = plan_.pgbouncer_conninfo;
  order.pools = plan_.pools;
  order.mark = {plan_.name, by_, door.limit, now.server,
                plan_.reopens ? std::optional(window_.end) : std::nullopt};
  order.mark_text = door.mark_text;
  order.in_journal = door.in_journal;
  order.is_theirs = door.is_theirs;
  door.order = order.id;
  door.sent = now.monotonic;
  door.state = closes ? DoorState::kClosing : DoorState::kOpening;
  due_by(now.monotonic + kTurnDeadline, now);
  tell(gate_intent_event(plan_, order, door.failures > 0));
  actions_.gates.push_back(std::move(order));
}

void DrainRun::expire_orders(Now now) {
  for (auto& [database, door] : doors_) {
    if (door.order.empty()) continue;
    if (now.monotonic < door.sent + kTurnDeadline) {
      due_by(door.sent + kTurnDeadline, now);
      continue;
    }
    const bool closes = door.state == DoorState::kClosing;
    door.may_be_closed = door.may_be_closed || closes;
    door.order.clear();
    door.state = closes || door.is_stale ? DoorState::kOpen : DoorState::kClosed;
    fail(database, door, {fmt::format("no reply within {}", to_text(kTurnDeadline)), {}, {}, {}}, closes,
         now);
  }
}

bool DrainRun::take(const GateReply& reply, Now now) {
  const auto found = std::find_if(doors_.begin(), doors_.end(),
                                  [&](const auto& entry) { return entry.second.order == reply.id; });
  if (reply.id.empty() || found == doors_.end()) return false;
  auto& [database, door] = *found;
  door.order.clear();
  if (door.state == DoorState::kClosing) {
    take_closing(database, door, reply, now);
  } else {
    take_opening(database, door, reply, now);
  }
  return true;
}

void DrainRun::take_closing(const std::string& database, Door& door, const GateReply& reply, Now now) {
  if (reply.outcome == GateOutcome::kClosed && reply.mark) {
    door.state = DoorState::kClosed;
    door.may_be_closed = false;
    door.is_theirs = false;
    door.logging_in.reset();
    door.mark = reply.mark;
    door.mark_text = reply.mark_text;
    door.in_journal = reply.in_journal;
    door.failures = 0;
    door.not_before.reset();
    door.trouble.clear();
    tell(gate_closed_event(plan_, database, reply));
    return;
  }
  door.state = DoorState::kOpen;
  auto error = reply.error;
  if (reply.outcome == GateOutcome::kHeld && reply.mark) {
    error.message = fmt::format("drain {} of {} holds its gate", printable(reply.mark->drain, 80),
                                printable(reply.mark->by, 80));
    error.sqlstate = "55006";
  }
  fail(database, door, error, true, now);
}

void DrainRun::take_opening(const std::string& database, Door& door, const GateReply& reply, Now now) {
  switch (reply.outcome) {
    case GateOutcome::kOpened:
    case GateOutcome::kForeign:
    case GateOutcome::kGone:
      door.state = DoorState::kOpen;
      progress_.has_opened = progress_.has_opened || is_ending_;
      if (std::exchange(door.is_stale, false)) door.is_known = false;
      door.failures = 0;
      door.trouble.clear();
      progress_.trouble.clear();
      tell(gate_opened_event(plan_.name, database, plan_.gate, reply));
      return;
    default:
      door.state = door.is_stale ? DoorState::kOpen : DoorState::kClosed;
      return fail(database, door, reply.error, false, now);
  }
}

/// A gate did not turn: told when the reason is a new one, tried again later.
void DrainRun::fail(const std::string& database, Door& door, const Error& error, bool closes, Now now) {
  door.is_known = false;
  // whoever holds the lock may commit at any moment
  const bool is_locked = error.sqlstate == kLockNotAvailable;
  const auto longest = !is_locked ? kLastRetry : closes ? kLastLockRetry : kFirstRetry;
  const auto wait = std::min<Duration>(longest, kFirstRetry * (1 << std::min(door.failures, 5)));
  ++door.failures;
  door.not_before = now.monotonic + wait;
  due_by(*door.not_before, now);
  const bool lasts = is_lasting(error) || (plan_.gate == GateKind::kPgbouncer && door.failures > 1);
  if (closes && lasts) note_obstacle(database, error);
  progress_.trouble = fmt::format("{}: {}", printable(database, 80), printable(error.message));
  if (door.trouble == error.message) return;
  door.trouble = error.message;
  tell(gate_failed_event(plan_.name, database, closes, error, wait));
}

void DrainRun::note_obstacle(const std::string& database, const Error& error) {
  progress_.obstacle = error;
  progress_.obstacle->message = fmt::format("{}: {}", database, error.message);
}

}  // namespace pgcurfew
