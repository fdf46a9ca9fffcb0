#include "drains/drain.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "drains/drain_events.hpp"

namespace pgcurfew {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

/// How far back missed windows are searched.
constexpr Duration kLookBack = hours(24);
/// How often gates are read: another client may have closed one, or opened ours.
constexpr Duration kCalmReading = minutes(1);
constexpr Duration kHotReading = seconds(2);
constexpr Duration kReadingRetry = seconds(5);
/// The instance that closed a gate has this time to open it first.
constexpr Duration kStrayGrace = seconds(3);
constexpr Duration kStrayDeadline = seconds(10);
/// A clock that was set back by more repeats times that calendars have passed.
constexpr Duration kSetBack = seconds(1);

std::string key_of(const Gate& gate) {
  return gate.oid == 0 ? fmt::format("{} {}", name_of(gate.kind), gate.database)
                       : fmt::format("{} oid {}", name_of(gate.kind), gate.oid);
}

/// Whether the gates of a run under `before` would not belong to it under `after`.
bool rests_on_other_gates(const Drain& before, const Drain& after) {
  const auto same = [](const TextPattern& one, const TextPattern& other) {
    return one.written() == other.written();
  };
  return before.gate != after.gate || before.mode != after.mode ||
         before.pgbouncer_conninfo != after.pgbouncer_conninfo ||
         before.pgbouncer_gate != after.pgbouncer_gate ||
         !std::equal(before.pools.begin(), before.pools.end(), after.pools.begin(), after.pools.end(),
                     same) ||
         !std::equal(before.databases.begin(), before.databases.end(), after.databases.begin(),
                     after.databases.end(), same);
}

}  // namespace

void DrainDesk::take_policy(std::shared_ptr<const Policy> policy) {
  policy_ = std::move(policy);
  for (auto& [name, run] : runs_) {
    const auto plan = std::find_if(policy_->drains.begin(), policy_->drains.end(),
                                   [&, &drain = name](const Drain& entry) { return entry.name == drain; });
    if (plan == policy_->drains.end()) {
      run.end("it is no longer in the policy", true);
    } else if (rests_on_other_gates(run.plan(), *plan)) {
      run.end("its databases, its gate or its mode have changed", true);
      calendars_[name].finished.reset();
    } else {
      run.replace_plan(*plan);
    }
  }
  std::erase_if(calendars_, [&](const auto& entry) {
    return std::none_of(policy_->drains.begin(), policy_->drains.end(),
                        [&](const Drain& drain) { return drain.name == entry.first; });
  });
  for (auto& entry : calendars_) entry.second.is_reckoned = false;
}

void DrainDesk::connected() {
  must_read_ = true;
  is_reading_ = false;
  reading_not_before_ = {};
}

void DrainDesk::connection_lost() {
  must_read_ = true;
  is_reading_ = false;
  gates_.reset();
  for (auto& entry : strays_) entry.second.order.clear();
  for (auto& entry : runs_) entry.second.connection_lost();
}

void DrainDesk::gates_failed(Now now) {
  is_reading_ = false;
  reading_not_before_ = now.monotonic + kReadingRetry;
  must_read_ = true;
}

bool DrainDesk::is_ours(const Gate& gate) const {
  const auto run = runs_.find(gate.mark->drain);
  return run != runs_.end();
}

void DrainDesk::take(const Gates& gates, Now now) {
  is_reading_ = false;
  read_at_ = now.monotonic;
  if (std::exchange(is_outdated_, false)) {
    must_read_ = true;
    return;
  }
  must_read_ = false;
  gates_ = gates;
  closed_.clear();
  for (const auto& gate : gates.gates) {
    // another client may have opened it, and left the mark
    if (gate.mark && gate.limit == 0 && !gate.is_lost)
      closed_.push_back({gate.database, gate.kind, *gate.mark});
  }
  if (gates.may_not_see_logins && !std::exchange(told_unseen_logins_, true))
    events_.push_back(logins_unseen_event());
  for (auto& entry : runs_) entry.second.take(gates, now);
  // strays are the marks that are there now
  std::map<std::string, Stray> found;
  for (const auto& gate : gates.gates) {
    if (!gate.mark || is_ours(gate)) continue;
    const auto key = key_of(gate);
    const auto known = strays_.find(key);
    if (known != strays_.end() && known->second.text == gate.mark_text) {
      found.insert(strays_.extract(known));
    } else {
      found[key].text = gate.mark_text;
      const bool is_over = gate.mark->until && *gate.mark->until <= now.server;
      if (!is_over && gate.mark->by != by_) events_.push_back(gate_found_event(gate));
    }
    found[key].database = gate.database;
    found[key].kind = gate.kind;
  }
  strays_ = std::move(found);
}

void DrainDesk::take(const GateReply& reply, Now now) {
  is_outdated_ = is_outdated_ || is_reading_;
  for (auto& entry : runs_) {
    if (entry.second.take(reply, now)) return;
  }
  const auto found = std::find_if(strays_.begin(), strays_.end(),
                                  [&](const auto& entry) { return entry.second.order == reply.id; });
  if (reply.id.empty() || found == strays_.end()) return;
  const auto name = found->second.database;
  const auto kind = found->second.kind;
  const auto mark = parse_gate_mark(found->second.text);
  const auto drain = mark ? mark->drain : std::string();
  switch (reply.outcome) {
    case GateOutcome::kOpened:
    case GateOutcome::kForeign:
    case GateOutcome::kGone:
      events_.push_back(gate_opened_event(drain, name, kind, reply));
      strays_.erase(found);
      std::erase_if(closed_,
                    [&](const ClosedGate& gate) { return gate.database == name && gate.kind == kind; });
      (reply.outcome == GateOutcome::kForeign ? reopened_.foreign : reopened_.opened).push_back(name);
      return;
    default: {
      auto& stray = found->second;
      reopened_.failed.emplace_back(name, reply.error);
      const auto wait = std::min<Duration>(minutes(1), seconds(1) * (1 << std::min(stray.failures, 6)));
      if (stray.failures++ == 0) events_.push_back(gate_failed_event(drain, name, false, reply.error, wait));
      stray.order.clear();
      stray.not_before = now.monotonic + wait;
      must_read_ = true;
      return;
    }
  }
}

void DrainDesk::count(const Order& order, const Reply& reply) {
  const auto run = runs_.find(order.drain);
  if (run != runs_.end()) run->second.count(order, reply);
}

void DrainDesk::take_look(const Look& look, const Ledger& ledger, Now now) {
  for (auto& entry : runs_) entry.second.take_look(*policy_, look, ledger, now);
}

std::vector<DrainClaims> DrainDesk::claims() const {
  std::vector<DrainClaims> all;
  all.reserve(runs_.size());
  for (const auto& entry : runs_) all.push_back(entry.second.claims());
  return all;
}

bool DrainDesk::is_closing(const std::string& drain) const {
  const auto run = runs_.find(drain);
  return run != runs_.end() && !run->second.is_ending();
}

void DrainDesk::stop(const std::string& why) {
  is_stopping_ = true;
  for (auto& entry : runs_) entry.second.end(why);
}

void DrainDesk::reopen(std::vector<std::string> databases) {
  to_reopen_ = std::move(databases);
  reopened_ = {};
}

bool DrainDesk::is_to_be_reopened(const std::string& database) const {
  if (!to_reopen_) return false;
  return to_reopen_->empty() ||
         std::find(to_reopen_->begin(), to_reopen_->end(), database) != to_reopen_->end();
}

std::optional<Reopened> DrainDesk::reopened() const {
  if (!to_reopen_ || !gates_) return std::nullopt;
  auto found = reopened_;
  for (const auto& gate : gates_->gates) {
    if (has_malformed_mark(gate) && is_to_be_reopened(gate.database))
      found.malformed.emplace_back(gate.database, malformed_mark_error(gate));
  }
  for (const auto& database : *to_reopen_) {
    const bool is_known = std::any_of(gates_->gates.begin(), gates_->gates.end(), [&](const Gate& gate) {
      return !gate.mark_text.empty() && gate.database == database;
    });
    if (!is_known) found.missing.push_back(database);
  }
  found.is_done = std::none_of(strays_.begin(), strays_.end(), [&](const auto& entry) {
    return is_to_be_reopened(entry.second.database) && entry.second.failures == 0;
  });
  return found;
}

/// Windows that passed entirely while no pgcurfew watched.
void DrainDesk::find_missed(const Drain& plan, Calendar& calendar, Now now) {
  auto from = std::max(watched_until_.value_or(ServerTime::min()), now.server - kLookBack);
  if (calendar.finished) from = std::max(from, *calendar.finished);
  std::optional<Interval> missed;
  for (auto window = window_after(plan, from); window && window->end <= now.server;
       window = window_after(plan, window->start)) {
    missed = window;
  }
  if (!missed) return;
  calendar.finished = missed->start;
  events_.push_back(drain_missed_event(plan, *missed));
}

void DrainDesk::announce(const Drain& plan, Calendar& calendar, Now now) {
  bool is_told = false;
  // the longest first: if several are due, the last is announced, and the others are past
  for (const auto before : plan.announce) {
    const auto at = calendar.next->start - before;
    if (at > now.server) {
      due_by(at);
    } else if (calendar.announced.insert(before).second) {
      is_told = true;
    }
  }
  if (is_told) events_.push_back(drain_announced_event(plan, *calendar.next, now.server));
}

void DrainDesk::begin(const Drain& plan, const Interval& window, Now now) {
  const bool is_joined = now.server - window.start > seconds(5);
  runs_.insert_or_assign(plan.name, DrainRun(plan, window, by_, is_joined, ++begun_));
  ended_.erase(plan.name);
  must_read_ = true;
}

void DrainDesk::keep_calendar(const Drain& plan, Now now) {
  auto& calendar = calendars_[plan.name];
  if (!calendar.is_reckoned || (calendar.next && now.server >= calendar.next->start)) {
    if (calendar.is_reckoned && runs_.contains(plan.name)) return;  // the run before is about to end
    const auto open = window_at(plan, now.server);
    if (open && calendar.finished != open->start && !runs_.contains(plan.name)) {
      begin(plan, *open, now);
      calendar.finished = open->start;
    } else if (!runs_.contains(plan.name)) {
      find_missed(plan, calendar, now);
    }
    const auto next = window_after(plan, now.server);
    const bool is_same = next && calendar.next && next->start == calendar.next->start;
    if (!is_same) calendar.announced.clear();
    calendar.next = next;
    calendar.is_reckoned = true;
  }
  if (!calendar.next) return;
  announce(plan, calendar, now);
  due_by(calendar.next->start);
}

/// Whether the maximum number of orders for strays in the server is in flight, so that the next one has to
/// wait.
bool DrainDesk::is_giving_back() const {
  return kMostOpenings <= std::count_if(strays_.begin(), strays_.end(), [](const auto& entry) {
           return entry.second.kind == GateKind::kConnectionLimit && !entry.second.order.empty();
         });
}

void DrainDesk::give_back_strays(Ledger& ledger, DrainActions& actions, Now now) {
  if (!gates_ || is_stopping_) return;
  for (auto& entry : strays_) {
    auto& stray = entry.second;
    if (stray.order.empty() || now.monotonic < stray.not_before) continue;
    stray.order.clear();  // no reply
    stray.not_before = now.monotonic + kReadingRetry;
    must_read_ = true;
  }
  for (const auto& gate : gates_->gates) {
    const auto found = gate.mark ? strays_.find(key_of(gate)) : strays_.end();
    if (found == strays_.end() || found->second.text != gate.mark_text) continue;
    const bool is_asked_for = is_to_be_reopened(gate.database);
    if (!gate.mark->until && !is_asked_for) continue;
    auto& stray = found->second;
    auto at = now.server;
    if (!is_asked_for) at = *gate.mark->until + (gate.mark->by == by_ ? Duration(0) : kStrayGrace);
    if (now.server < at) {
      due_by(at);
      continue;
    }
    if (!is_asked_for && gates_->taken_at < at) {
      must_read_ = true;  // the instance that closed it may have opened it since
      continue;
    }
    if (now.monotonic < stray.not_before) {
      due_by(now.server + (stray.not_before - now.monotonic));
      continue;
    }
    if (gate.kind == GateKind::kConnectionLimit && is_giving_back()) continue;
    if (!std::exchange(stray.is_told, true) && !is_asked_for)
      events_.push_back(gate_overdue_event(gate, policy_->mode));
    GateOrder order;
    order.id = fmt::format("{}-{}", ledger.prefix, ++ledger.decisions);
    order.closes = false;
    order.database = gate.database;
    order.oid = gate.oid;
    order.kind = gate.kind;
    order.access = gate.access;
    order.pgbouncer_gate = gate.pgbouncer_gate;
    order.pgbouncer_conninfo = gate.pgbouncer_conninfo;
    order.mark = *gate.mark;
    order.mark_text = gate.mark_text;
    order.in_journal = gate.in_journal;
    stray.order = order.id;
    stray.not_before = now.monotonic + kStrayDeadline;
    due_by(now.server + kStrayDeadline);
    actions.gates.push_back(std::move(order));
  }
}

DrainActions DrainDesk::advance(Ledger& ledger, bool may_begin, Now now) {
  next_due_.reset();
  DrainActions actions;
  if (may_begin && !is_stopping_) {
    if (watched_until_ && now.server < *watched_until_ - kSetBack) {
      for (auto& entry : calendars_) {
        entry.second.is_reckoned = false;
        if (entry.second.finished > now.server) entry.second.finished.reset();
      }
    }
    for (const auto& plan : policy_->drains) keep_calendar(plan, now);
    watched_until_ = now.server;
  }
  for (auto entry = runs_.begin(); entry != runs_.end();) {
    auto& run = entry->second;
    auto wanted = run.advance(ledger, now);
    std::move(wanted.gates.begin(), wanted.gates.end(), std::back_inserter(actions.gates));
    std::move(wanted.events.begin(), wanted.events.end(), std::back_inserter(events_));
    must_read_ = must_read_ || run.needs_gates();
    if (run.next_due()) due_by(*run.next_due());
    if (run.is_done()) {
      ended_[entry->first] = run.progress();
      // if the drain changed meanwhile, the rest of the window is left
      const auto calendar = calendars_.find(entry->first);
      if (calendar != calendars_.end() && !calendar->second.finished) calendar->second.is_reckoned = false;
      entry = runs_.erase(entry);
      due_by(now.server);  // its next window may be open already
    } else {
      ++entry;
    }
  }
  give_back_strays(ledger, actions, now);
  actions.events = std::exchange(events_, {});
  return actions;
}

bool DrainDesk::has_gated_run() const {
  return std::any_of(runs_.begin(), runs_.end(), [](const auto& entry) {
    const auto& plan = entry.second.plan();
    return plan.gate != GateKind::kNone && plan.mode == Mode::kEnforce;
  });
}

bool DrainDesk::has_gate_to_open() const {
  return std::any_of(runs_.begin(), runs_.end(),
                     [](const auto& entry) { return entry.second.has_gate_to_open(); });
}

std::optional<MonotonicTime> DrainDesk::next_reading() const {
  // during a stop, gates are read only for those that did not open at once
  if (is_reading_ || (is_stopping_ && (runs_.empty() || !must_read_))) return std::nullopt;
  const auto at =
      must_read_ ? MonotonicTime::min() : read_at_ + (has_gated_run() ? kHotReading : kCalmReading);
  return std::max(at, reading_not_before_);
}

bool DrainDesk::asks_for_gates(Now now) {
  const auto at = next_reading();
  if (!at || now.monotonic < *at) return false;
  is_reading_ = true;
  is_outdated_ = false;
  return true;
}

std::optional<Duration> DrainDesk::look_interval() const {
  std::optional<Duration> interval;
  for (const auto& entry : runs_) {
    if (const auto wanted = entry.second.look_interval())
      interval = std::min(interval.value_or(*wanted), *wanted);
  }
  return interval;
}

std::vector<DrainProgress> DrainDesk::progress() const {
  std::vector<DrainProgress> all;
  for (const auto& entry : runs_) all.push_back(entry.second.progress());
  for (const auto& [name, progress] : ended_) {
    all.push_back(progress);
    all.back().closed = closed_gates(name);
  }
  return all;
}

std::size_t DrainDesk::closed_gates(const std::string& drain) const {
  if (const auto run = runs_.find(drain); run != runs_.end()) return run->second.progress().closed;
  const auto ended = ended_.find(drain);
  if (!gates_) return ended == ended_.end() ? 0 : ended->second.closed;
  const auto found = static_cast<std::size_t>(std::count_if(
      gates_->gates.begin(), gates_->gates.end(),
      [&](const Gate& gate) { return gate.mark && gate.mark->drain == drain && !gate.is_lost; }));
  // what it has opened itself may have been read before
  return ended == ended_.end() ? found : std::min(found, ended->second.closed);
}

std::vector<ClosedGate> DrainDesk::all_closed_gates() const {
  auto closed = closed_;
  std::erase_if(closed, [&](const ClosedGate& gate) {
    const auto ended = ended_.find(gate.mark.drain);
    return ended != ended_.end() && ended->second.closed == 0 && gate.mark.by == by_;
  });
  return closed;
}

}  // namespace pgcurfew
