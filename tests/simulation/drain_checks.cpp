#include "simulation/drain_checks.hpp"

#include <algorithm>

#include "simulation/oracle.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// From the opening of a gate by another client: the reading that shows it, the reply, and a guard under way.
constexpr Duration kToNotice = seconds(20);
/// The tolerance for the length of a run, without clock steps.
constexpr Duration kDrift = minutes(1);
/// Used in place of a node's number.
constexpr std::size_t kAtPgbouncer = 1000;
/// The longest time between two readings of the clock, and a reply.
constexpr Duration kToAskClock = seconds(40);

}  // namespace

void DrainChecks::on_started(int instance) {
  std::erase_if(runs_, [&](const auto& entry) { return entry.first.first == instance; });
  // it does not remember what it saw in an earlier life
  std::erase_if(emptied_, [&](const auto& entry) { return entry.first.first == instance; });
  std::erase_if(pgbouncer_seen_, [&](const auto& entry) { return entry.first.first == instance; });
  pgbouncer_known_.erase(instance);
  if (!reopeners_.contains(instance)) opened_by_hand_.clear();
}

void DrainChecks::on_policy(int instance, std::shared_ptr<const Policy> policy) {
  for (const auto& drain : policy->drains) may_hold_ = may_hold_ || !drain.reopens;
  policies_[instance] = std::move(policy);
}

const Drain* DrainChecks::plan_of(int instance, const std::string& name) const {
  for (const auto& drain : policies_.at(instance)->drains) {
    if (drain.name == name) return &drain;
  }
  return nullptr;
}

/// How far an instance's estimate of the server's clock may be off.
Duration DrainChecks::slack() const {
  if (site_.was_injected("stall")) return seconds(70);
  const bool is_uncertain = site_.was_injected("slow") || site_.was_injected("small clock step") ||
                            site_.was_injected("clock step") || site_.was_injected("failover");
  return is_uncertain ? Duration(seconds(12)) : Duration(milliseconds(300));
}

void DrainChecks::on_order(int instance, const Order& order, const std::shared_ptr<const LookCopy>& look) {
  const auto where = fmt::format("{} ({} of drain {} for pid {})", order.decision, name_of(order.step),
                                 order.drain, order.guard.session.pid);
  const auto* plan = plan_of(instance, order.drain);
  if (plan == nullptr) throw Violation("drain-replaced", where + " is of no drain in force");
  if (order.is_signal() && plan->mode == Mode::kDryRun) {
    throw Violation("drain-dry-run", where + " is a signal of a drain in dry-run");
  }
  if (oracle::has_gate(*plan) && !has_read_.contains(instance)) {
    throw Violation("no-gate", where + " before the gates were read through this connection");
  }
  const auto run = runs_.find({instance, order.drain});
  if (run == runs_.end()) throw Violation("no-window", where + " though it has not begun");
  if (site_.agenda.now() > run->second.must_end_by) {
    throw Violation("no-window", where + " after the end of its window");
  }
  check_pace(order);
  const auto read = has_read_.find(instance);
  const auto gates_read = read == has_read_.end() ? std::nullopt : std::optional(read->second);
  const auto& seen = pgbouncer_known_[instance];
  issued_[order.decision] = {
      instance, run->second,       gates_read, seen, order, *plan, policies_.at(instance),
      look,     site_.agenda.now()};
  std::erase_if(issued_,
                [&](const auto& entry) { return entry.second.at < site_.agenda.now() - minutes(5); });
}

/// Orders for the same session are not repeated without a pause.
void DrainChecks::check_pace(const Order& order) {
  constexpr Duration kWindow = seconds(10);
  constexpr std::size_t kMost = 60;
  const auto now = site_.agenda.now();
  auto& tries = tries_[order.guard.session];
  tries.push_back(now);
  while (tries.front() < now - kWindow) tries.pop_front();
  if (tries.size() > kMost) {
    throw Violation("busy-loop", fmt::format("pid {} was to be ended {} times within {}",
                                             order.guard.session.pid, tries.size(), to_text(kWindow)));
  }
  std::erase_if(tries_, [&](const auto& entry) { return entry.second.back() < now - kWindow; });
}

void DrainChecks::on_turn_asked(int instance, const GateOrder& order) {
  if (!order.closes) return check_opening(instance, order);
  check_overridden(instance, order);
  const auto where = fmt::format("{} (closing {} for {})", order.id, order.database, order.mark.drain);
  const auto* plan = plan_of(instance, order.mark.drain);
  if (plan == nullptr) throw Violation("drain-replaced", where + " is of no drain in force");
  if (!oracle::has_gate(*plan)) throw Violation("drain-dry-run", where + " though its drain turns no gates");
  if (!oracle::takes_in(*plan, order.database)) throw Violation("other-database", where);
  if (order.mark.until.has_value() != plan->reopens)
    throw Violation("held", where + " does not say until when as its drain does");
  const auto run = runs_.find({instance, plan->name});
  if (run == runs_.end()) throw Violation("no-window", where + " though it has not begun");
  // a run lasts no longer than its window, even if the clock is set meanwhile
  if (site_.agenda.now() > run->second.must_end_by) {
    throw Violation("no-window", where + " after the end of its window");
  }
}

void DrainChecks::check_beginning(int instance, const Event& event) {
  const auto name = field_of<std::string>(event, "drain").value_or("");
  const auto* plan = plan_of(instance, name);
  if (plan == nullptr) throw Violation("drain-replaced", "no drain in force: " + event.message);
  const auto& server = site_.server();
  const auto now = server.shown_now();
  auto window = oracle::window(*plan, now);
  // the nearest one, and rather the one to come
  for (Duration off = milliseconds(1); !window && off <= 2 * slack(); off *= 2) {
    window = oracle::window(*plan, now + std::min(off, slack()));
    if (!window) window = oracle::window(*plan, now - std::min(off, slack()));
  }
  // a clock step is noticed at the next reading, and so is another server's clock
  const bool is_another =
      site_.failed_over_at > Duration(0) && site_.agenda.now() - kToAskClock < site_.failed_over_at;
  const bool was_set = is_another || server.steady_now() - kToAskClock < server.last_step();
  if (!window && !was_set) throw Violation("no-window", "outside of its windows: " + event.message);
  emptied_.erase({instance, name});
  Run run{site_.agenda.now(), site_.agenda.now() + plan->duration + kDrift + slack(), std::nullopt};
  if (window) {
    run.window_start = window->start;
    run.began = windows_.try_emplace({name, window->start}, run.began).first->second;
  }
  runs_[{instance, name}] = run;
}

/// No session that was admitted before the gate closed is still logging in.
void DrainChecks::check_nobody_arrives(int instance, const Event& event) const {
  const auto* plan = plan_of(instance, field_of<std::string>(event, "drain").value_or(""));
  if (plan == nullptr || !oracle::has_gate(*plan)) return;
  for (const auto& [pid, arrival] : site_.server().arrivals) {
    if (arrival.is_superuser || arrival.is_refused || !oracle::takes_in(*plan, arrival.database)) continue;
    // PgBouncer's gates do not keep out clients that connect directly
    if (plan->gate == GateKind::kPgbouncer && arrival.is_direct) continue;
    // a session that connected while the gate was open again is only known when the opening is
    const auto& opened = gate_of(*plan, site_.active, arrival.database).opened;
    const auto is_news = [&](const auto& entry) { return site_.agenda.now() - entry.second < kToNotice; };
    if (std::any_of(opened.begin(), opened.end(), is_news)) continue;
    throw Violation("not-empty", fmt::format("{} though pid {} is about to be in {}", event.message, pid,
                                             arrival.database));
  }
}

void DrainChecks::on_gates_read(int instance) {
  has_read_[instance] = site_.agenda.now();
  for (const auto& [of, at] : pgbouncer_seen_) {
    if (of.first == instance) pgbouncer_known_[instance][of.second] = at;
  }
  for (const auto& [name, database] : site_.gates[site_.active].all) {
    if (database.limit == database.intended) known_limits_[{instance, name}] = database.intended;
  }
}

/// Two journals are independent: a limit that another instance replaced by 0 before this one has read it is
/// lost.
void DrainChecks::forgive_what_nobody_knew(int instance, std::size_t node, const GateOrder& order,
                                           const GateReply& reply) {
  if (order.kind == GateKind::kPgbouncer) return;
  const bool is_by_journal = order.closes ? order.access == GateAccess::kJournal : order.in_journal;
  if (!is_by_journal || policies_.size() < 2) return;
  if (reply.outcome == GateOutcome::kClosed) known_limits_[{instance, order.database}] = reply.mark->limit;
  // the second instance found 0, and restores it
  if (reply.outcome != GateOutcome::kOpened || reply.limit == 0) return;
  auto& database = site_.gates[node].all.at(order.database);
  if (known_limits_[{instance, order.database}] != database.intended) database.intended = reply.limit;
}

void DrainChecks::on_turned(int instance, std::size_t node, const GateOrder& order, const GateReply& reply) {
  forgive_what_nobody_knew(instance, node, order, reply);
  // one PgBouncer serves all nodes
  const std::size_t of_node = order.kind == GateKind::kPgbouncer ? kAtPgbouncer : node;
  if (reply.outcome == GateOutcome::kClosed) {
    ++tally_.closings;
    if (order.kind == GateKind::kPgbouncer) ++tally_.pgbouncers;
    closed_at_.try_emplace({of_node, order.mark.drain, order.database}, site_.agenda.now());
  } else if (reply.outcome == GateOutcome::kOpened) {
    std::erase_if(closed_at_, [&](const auto& entry) {
      const auto& [closed_node, drain, database] = entry.first;
      return closed_node == of_node && database == order.database;
    });
  }
  if (reply.outcome == GateOutcome::kOpened) ++tally_.openings;
  if (reply.outcome == GateOutcome::kForeign) ++tally_.foreign;
  check_written_down(node);
  if (reply.outcome != GateOutcome::kOpened || !site_.ready_since || !order.mark.until) return;
  const auto now = site_.server().shown_now();
  const bool may_give_up = std::any_of(policies_.begin(), policies_.end(), [&](const auto& entry) {
    const auto& drains = entry.second->drains;
    return std::any_of(drains.begin(), drains.end(),
                       [](const Drain& drain) { return drain.give_up.has_value(); });
  });
  // if the server's clock was set back, a drain ends when its duration has passed on the monotonic clock
  const bool may_be_over = site_.server().was_set_back() || site_.failed_over_at > Duration(0) ||
                           was_opened_by_people(order.mark.since);
  if (now + slack() < *order.mark.until && !may_give_up && !may_be_over) {
    throw Violation("opened-early", fmt::format("{} was opened {} before the end of its window",
                                                order.database, to_text(*order.mark.until - now)));
  }
}

/// A database's limit is the intended one, or the intended one is recorded in a mark.
void DrainChecks::check_written_down(std::size_t node) const {
  for (const auto& [name, database] : site_.gates[node].all) {
    if (database.limit == database.intended) continue;
    auto marks = journals(name, GateKind::kConnectionLimit);
    marks.push_back(database.mark);
    const auto intended = database.intended;
    const bool is_written = std::any_of(marks.begin(), marks.end(), [&](const std::string& text) {
      const auto mark = parse_gate_mark(text);
      return mark && mark->limit == intended;
    });
    if (database.limit == 0 && is_written) continue;
    throw Violation("limit-lost",
                    fmt::format("the connection limit of {} is {}, people want {}, and nowhere is it written",
                                name, database.limit, database.intended));
  }
  if (site_.pgbouncer) check_pgbouncer_written_down();
}

void DrainChecks::on_effect(std::size_t node, const Order& order, const Backend& backend) {
  const auto found = issued_.find(order.decision);
  if (found == issued_.end()) throw Violation("stale-look", order.decision + " takes effect long after");
  const auto& issued = found->second;
  const auto who = fmt::format("{} by drain {}", oracle::name_of(backend), order.drain);
  const auto& seen = issued.look->rows.at(order.guard.session);
  if (issued.look->node != node || seen.birth != backend.birth) {
    throw Violation("identity", who + " is not the session that was decided upon");
  }
  if (!oracle::takes_in(issued.plan, backend.database)) throw Violation("other-database", who);
  const auto reason = oracle::spared(*issued.policy, issued.plan, backend);
  if (!reason.empty()) throw Violation("drain-spares", fmt::format("{}: {}", who, reason));
  check_ladder(issued, node, backend);
  if (!order.is_signal()) return;
  ++tally_.signals;
  check_gate(issued, node, backend);
}

/// The gate must be closed before the first signal, or the database never becomes empty.
void DrainChecks::check_gate(const Issued& issued, std::size_t node, const Backend& backend) const {
  if (!oracle::has_gate(issued.plan)) return;
  for (const auto& entry : site_.gates[node].all) {
    const auto& name = entry.first;
    const auto& database = gate_of(issued.plan, node, name);
    if (!oracle::takes_in(issued.plan, name) || database.closed_for == issued.plan.name) continue;
    // closed by hand before: an entry written before closing does not show this, and need not
    if (database.limit == 0 && is_journaled_for(name, issued.plan)) continue;
    const auto who =
        fmt::format("{} by drain {}: the gate of {}", oracle::name_of(backend), issued.plan.name, name);
    const auto opened = database.opened.find(issued.plan.name);
    if (opened == database.opened.end()) throw Violation("no-gate", who + " was never closed");
    const auto ago = site_.agenda.now() - opened->second;
    if (ago > kToNotice && knew_of(issued, name, opened->second))
      throw Violation("no-gate", fmt::format("{} is open since {}", who, to_text(ago)));
  }
}

bool DrainChecks::is_journaled_for(const std::string& database, const Drain& drain) const {
  const auto marks = journals(database, drain.gate);
  return std::any_of(marks.begin(), marks.end(), [&](const std::string& text) {
    const auto mark = parse_gate_mark(text);
    return mark && mark->drain == drain.name;
  });
}

void DrainChecks::check_ladder(const Issued& issued, std::size_t node, const Backend& backend) const {
  const auto& plan = issued.plan;
  const auto now = site_.nodes[node].server->shown_now();
  const auto who =
      fmt::format("{} {} by drain {}", oracle::name_of(backend), name_of(issued.order.step), plan.name);
  std::optional<ServerTime> since;
  std::optional<ServerTime> own_since;  // as far as this instance knows
  if (oracle::has_gate(plan)) {
    for (const auto& entry : site_.gates[node].all) {
      const auto& name = entry.first;
      const auto& database = gate_of(plan, node, name);
      if (!oracle::takes_in(plan, name) || !database.since.contains(plan.name)) continue;
      // opened, perhaps closed again, and not read by this instance since: it uses the previous state
      const auto opened = database.opened.find(plan.name);
      if (opened != database.opened.end() && !knew_of(issued, name, opened->second)) return;
      auto closed = database.since.at(plan.name);
      const auto own = parse_gate_mark(journal_of(issued.instance, name, plan.gate));
      own_since = std::max(own_since.value_or(ServerTime::min()),
                           own && own->drain == plan.name ? own->since : closed);
      // if another instance has closed the gate meanwhile, the journal has the time from before that
      for (const auto& text : journals(name, plan.gate)) {
        const auto mark = parse_gate_mark(text);
        if (mark && mark->drain == plan.name) closed = std::min(closed, mark->since);
      }
      since = std::max(since.value_or(ServerTime::min()), closed);
    }
  } else {
    since = own_since = issued.run.window_start;
  }
  if (!since) return;
  // a gate that has been closed since an earlier window was not closed for this one
  if (const auto start = issued.run.window_start; oracle::has_gate(plan) && !plan.reopens && start) {
    since = std::max(*since, *start);
    own_since = std::max(*own_since, *start);
  }
  // sessions that connected later get the wait, too, unless a look has shown the database empty since
  if (backend.start.shown > std::max(*since, *own_since)) {
    // a mark from before a clock step has the time of the old clock
    if (was_clock_set()) return;
    if (plan.terminates_latecomers || !oracle::has_gate(plan)) {
      return check_latecomer(issued, std::max(*since, *own_since), who);
    }
    throw Violation("latecomer", who + " came after the gate closed, and may stay");
  }
  const auto wait = oracle::time_to(plan, issued.order.step);
  if (!wait) throw Violation("drain-ladder", who + ": it has no such step");
  const auto rounding = site_.was_injected("slow") ? Duration(seconds(5)) : Duration(milliseconds(5));
  // a wait that has passed in true time has passed, whatever the clock showed at its beginning
  const bool was_stepped = was_clock_set() || site_.was_injected("small clock step");
  if (was_stepped && has_lasted(issued, node, std::max(*wait - rounding, *wait / 2))) return;
  if (now + rounding < *since + *wait) {
    throw Violation("drain-ladder",
                    fmt::format("{}: {} before the step is due", who, to_text(*since + *wait - now)));
  }
}

/// Whether recorded server times may be from before a clock step.
bool DrainChecks::was_clock_set() const {
  return site_.was_injected("clock step") || site_.was_injected("failover");
}

/// Whether `wait` has passed in true time since the last of the drain's gates closed, or since its window
/// began if it has no gate, or one that may have been closed before.
bool DrainChecks::has_lasted(const Issued& issued, std::size_t node, Duration wait) const {
  if (!oracle::has_gate(issued.plan)) return site_.agenda.now() - issued.run.began >= wait;
  std::optional<Duration> last;
  if (!issued.plan.reopens) last = issued.run.began;
  for (const auto& [name, database] : site_.gates[node].all) {
    if (!oracle::takes_in(issued.plan, name)) continue;
    const auto of_node = issued.plan.gate == GateKind::kPgbouncer ? kAtPgbouncer : node;
    const auto closed = closed_at_.find({of_node, issued.plan.name, name});
    if (closed == closed_at_.end()) return false;
    last = std::max(last.value_or(closed->second), closed->second);
  }
  return last && site_.agenda.now() - *last >= wait;
}

bool DrainChecks::takes(const Event& event) const {
  if (event.kind == Kind::kGatesFailed || event.kind == Kind::kJournalFailed ||
      name_of(event.kind).starts_with("drain_") || name_of(event.kind).starts_with("gate_")) {
    return true;
  }
  return event.kind == Kind::kUnkillable;
}

/// A reported error needs a fault, or a session that does not end.
void DrainChecks::on_told(int instance, const Event& event) {
  if (event.kind == Kind::kDrainBegan) check_beginning(instance, event);
  if (event.kind == Kind::kDrainEmpty) check_nobody_arrives(instance, event);
  if (event.kind == Kind::kDrainDone) {
    const auto drain = field_of<std::string>(event, "drain").value_or("");
    runs_.erase({instance, drain});
    std::erase_if(opened_by_hand_, [&](const ByHand& opened) { return opened.drain == drain; });
  }
  if (event.kind == Kind::kGateLost) ++tally_.lost;
  if (event.kind == Kind::kGateOverridden) ++tally_.overridden;
  // there is one cluster and one policy, so all entries of the journal are ours
  if (event.kind == Kind::kGateUnclaimed) throw Violation("error-event", "it is ours: " + event.message);
  if (event.kind == Kind::kJournalFailed) ++tally_.disk_complaints;
  if (event.kind == Kind::kJournalFailed && !site_.was_injected("disk"))
    throw Violation("error-event", "the disk is good: " + event.message);
  if (event.level != Level::kError) return;
  static const std::vector<Kind> kStubborn{Kind::kDrainGaveUp, Kind::kDrainDone, Kind::kUnkillable};
  const bool is_of_sessions = std::find(kStubborn.begin(), kStubborn.end(), event.kind) != kStubborn.end();
  if (is_of_sessions) return;
  // a mark with a time that the clock has not reached yet
  const bool is_held = event.message.find(" holds its gate") != std::string::npos;
  if (is_held && (may_hold_ || site_.was_injected("clock step"))) return;
  // two journals are independent: one instance opens a gate that the other is about to close, which tries
  // again
  const bool is_rivals = event.message.find("the connection limit of the database is") != std::string::npos;
  if (is_rivals && policies_.size() > 1) return;
  if (site_.injected.empty()) throw Violation("error-event", "an error without a fault: " + event.message);
  if (site_.ready_since) {
    throw Violation("error-event", "an error in a world that is whole: " + event.message);
  }
}

}  // namespace pgcurfew::simulation
