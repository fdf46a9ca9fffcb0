#include "simulation/server.hpp"

#include <algorithm>

#include "engine/server_clock.hpp"
#include "simulation/policy_writer.hpp"
#include "support/guard_model.hpp"

namespace pgcurfew::simulation {

Duration Server::steady_now() const {
  const auto now = agenda_.now();
  return now + Duration(now.count() / 1'000'000 * drift_ppm);
}

ServerTime Server::shown_now() const {
  return kEpoch + steady_now() + offset + stepped_;
}

Stamp Server::stamp() {
  return {shown_now(), steady_now(), ++serials_};
}

void Server::step_clock(Duration by) {
  highest_at_step_ = std::max(highest_at_step_, shown_now());
  stepped_ += by;
  highest_at_step_ = std::max(highest_at_step_, shown_now());
  last_step_ = steady_now();
  steps_.push_back({agenda_.now(), steady_now(), by});
  trace_.note("clock", by.count(), [&] { return fmt::format("server {} steps {} us", number_, by.count()); });
}

bool Server::was_set_back() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const Step& step) { return step.by < Duration(0); });
}

Duration Server::unknowable_steps_since(Duration steady, Duration known_since, Duration smallest,
                                        const std::deque<Duration>& looked) const {
  const auto looks_before = [&](const Step& step) {
    return std::lower_bound(looked.begin(), looked.end(), step.at) - looked.begin();
  };
  Duration sum{};
  for (const auto& step : steps_) {
    if (step.steady < steady || step.by <= Duration(0)) continue;
    const bool has_company = std::count_if(steps_.begin(), steps_.end(), [&](const Step& other) {
                               return looks_before(other) == looks_before(step) &&
                                      std::abs(other.by.count()) > smallest.count() / 2;
                             }) > 1;
    const bool is_hidden = has_company || step.steady <= known_since;
    sum += is_hidden ? step.by : std::min(step.by, smallest);
  }
  return sum;
}

bool Server::is_taken(std::int32_t pid) const {
  return backends_.contains(pid) || arrivals.contains(pid);
}

std::int32_t Server::unused_pid(Random& random) const {
  auto pid = static_cast<std::int32_t>(random.between(100, 400));
  while (is_taken(pid)) pid = static_cast<std::int32_t>(random.between(100, 400));
  return pid;
}

Backend& Server::start_backend(Backend backend, std::optional<std::int32_t> wanted_pid, Random& random) {
  const bool is_free = wanted_pid && !is_taken(*wanted_pid);
  const auto pid = is_free ? *wanted_pid : unused_pid(random);
  backend.pid = pid;
  backend.birth = ++serials_;
  backend.start = stamp();
  backend.appeared = backend.start.shown;
  touch(backend);
  trace_.note("start", pid, [&] {
    return fmt::format("server {} pid {} {} user={} app={} db={}", number_, pid, backend.backend_type,
                       backend.user, backend.application_name, backend.database);
  });
  return backends_.emplace(pid, std::move(backend)).first->second;
}

void Server::end_backend(std::int32_t pid, std::string_view why) {
  const auto found = backends_.find(pid);
  if (found == backends_.end()) return;
  const auto backend = std::move(found->second);
  backends_.erase(found);
  const auto granted = locks_.release(pid);
  trace_.note("end", pid, [&] { return fmt::format("server {} pid {}: {}", number_, pid, why); });
  std::vector<std::int32_t> workers;
  for (const auto& [other, entry] : backends_) {
    if (entry.leader_pid == pid) workers.push_back(other);
  }
  for (const auto worker : workers) end_backend(worker, "leader gone");
  pass_on(granted);
  if (on_ended) on_ended(backend);
}

Backend* Server::find(std::int32_t pid) {
  const auto found = backends_.find(pid);
  return found == backends_.end() ? nullptr : &found->second;
}

Backend* Server::find(std::int32_t pid, std::uint64_t birth) {
  auto* backend = find(pid);
  return backend != nullptr && backend->birth == birth ? backend : nullptr;
}

void Server::begin_statement(Backend& backend, const std::string& query) {
  backend.query_start = backend.state_change = stamp();
  if (!backend.in_block || (!backend.xact_start && backend.state != State::kIdleInTransactionAborted)) {
    backend.xact_start = backend.query_start;
  }
  backend.state = State::kActive;
  backend.query = query;
  backend.query_id = static_cast<std::int64_t>(query.size() % 5) - 2;
  backend.wait_event_type.reset();
  backend.wait_event.reset();
  take_snapshot(backend, query);
  touch(backend);
  trace_.note("query", backend.pid, [&] { return fmt::format("pid {}: {}", backend.pid, query); });
}

void Server::execute_message(Backend& backend, const std::string& query) {
  if (!backend.xact_start) backend.xact_start = stamp();
  backend.query_start = backend.state_change = stamp();
  backend.state = State::kActive;
  backend.query = query;
  take_snapshot(backend, query);
  touch(backend);
  trace_.note("message", backend.pid, [&] { return fmt::format("pid {}: {}", backend.pid, query); });
}

void Server::commit_within(Backend& backend) {
  backend.xact_start = stamp();
  backend.xid.reset();
  backend.xmin = transactions();
  touch(backend);
  trace_.note("commit", backend.pid, [&] { return fmt::format("pid {} within its procedure", backend.pid); });
  pass_on(locks_.release(backend.pid));
}

void Server::wait(Backend& backend, std::optional<std::string> type, std::optional<std::string> event) {
  backend.wait_event_type = std::move(type);
  backend.wait_event = std::move(event);
  touch(backend);
  trace_.note("wait", backend.pid, [&] {
    return fmt::format("pid {} {}/{}", backend.pid, backend.wait_event_type.value_or("-"),
                       backend.wait_event.value_or("-"));
  });
}

void Server::end_statement(Backend& backend) {
  backend.state_change = stamp();
  backend.state = backend.in_block ? State::kIdleInTransaction : State::kIdle;
  if (!backend.in_block) backend.xact_start.reset();
  if (!backend.in_block) backend.query_id.reset();
  if (!backend.in_block) backend.xid.reset();
  if (!backend.in_block || !backend.keeps_snapshot) backend.xmin.reset();
  backend.wait_event_type = "Client";
  backend.wait_event = "ClientRead";
  touch(backend);
  trace_.note("done", backend.pid,
              [&] { return fmt::format("pid {} {}", backend.pid, name_of(*backend.state)); });
  if (!backend.in_block) pass_on(locks_.release(backend.pid));
}

void Server::fail_statement(Backend& backend) {
  backend.state_change = stamp();
  backend.xact_start.reset();
  backend.xid.reset();
  backend.xmin.reset();
  if (backend.lock_wait) backend.waited_until = steady_now();
  backend.lock_wait.reset();
  backend.state = backend.in_block ? State::kIdleInTransactionAborted : State::kIdle;
  backend.wait_event_type = "Client";
  backend.wait_event = "ClientRead";
  touch(backend);
  trace_.note("failed", backend.pid,
              [&] { return fmt::format("pid {} {}", backend.pid, name_of(*backend.state)); });
  const bool keeps_locks = backend.in_block && backend.has_savepoint;
  pass_on(keeps_locks ? locks_.give_up(backend.pid) : locks_.release(backend.pid));
}

void Server::untrack(Backend& backend) {
  backend.state = State::kDisabled;
  backend.xact_start.reset();
  backend.query_start.reset();
  backend.state_change.reset();
  backend.query.clear();
  backend.query_id.reset();
  touch(backend);
}

void Server::cancel(Backend& backend) {
  if (backend.state != State::kActive || !backend.query_start) return;
  if (backend.temper == Temper::kSwallowsCancel || backend.temper == Temper::kDeafToCancel) return;
  if (backend.temper == Temper::kFrozen) {
    backend.is_cancel_pending = true;
    return;
  }
  const auto query = backend.query_start->serial;
  agenda_.in(backend.latency,
             [this, pid = backend.pid, birth = backend.birth, query] { take_cancel(pid, birth, query); });
}

void Server::take_cancel(std::int32_t pid, std::uint64_t birth, std::uint64_t query) {
  auto* backend = find(pid, birth);
  // a cancel that arrives while no statement runs, or during another one, is lost
  if (backend == nullptr || backend->state != State::kActive || !backend->query_start) return;
  if (backend->query_start->serial != query) return;
  fail_statement(*backend);
  if (on_cancelled) on_cancelled(*backend);
}

void Server::terminate(Backend& backend) {
  backend.is_doomed = true;
  if (backend.temper == Temper::kFrozen) return;
  agenda_.in(backend.latency, [this, pid = backend.pid, birth = backend.birth] {
    if (find(pid, birth) != nullptr) end_backend(pid, "terminated");
  });
}

void Server::thaw() {
  std::vector<std::int32_t> doomed;
  for (auto& [pid, backend] : backends_) {
    if (backend.temper != Temper::kFrozen) continue;
    backend.temper = Temper::kProper;
    if (backend.is_doomed) doomed.push_back(pid);
    if (!backend.is_doomed && backend.is_cancel_pending) cancel(backend);
  }
  for (const auto pid : doomed) end_backend(pid, "terminated when it thawed");
}

bool Server::still_holds(const Guard& guard, const Backend& backend) const {
  const auto same_time = [&](const Unchanged<ServerTime>& wanted, const std::optional<Stamp>& is) {
    if (!wanted || holes.anchors) return true;
    return is ? *wanted == is->shown : !wanted->has_value();
  };
  testing::expect_only(guard, {Field::kWaitEventType, Field::kWaitEvent, Field::kApplicationName},
                       {Field::kQueryId});
  return guard.backend_type == backend.backend_type && same_time(guard.xact_start, backend.xact_start) &&
         same_time(guard.query_start, backend.query_start) &&
         same_time(guard.state_change, backend.state_change) &&
         (testing::holds_state(guard, backend.state) || holes.anchors) &&
         testing::holds(guard, Field::kWaitEventType, backend.wait_event_type) &&
         testing::holds(guard, Field::kWaitEvent, backend.wait_event) &&
         testing::holds(guard, Field::kApplicationName, std::optional(backend.application_name)) &&
         testing::holds(guard, Field::kQueryId, backend.query_id) && surroundings_hold(guard, backend);
}

void Server::reveal(Backend& backend) {
  // a session that waits for a lock does nothing else
  if (backend.habit == Habit::kRenaming && !backend.lock_wait) {
    const auto& names = application_names();
    backend.application_name = names[++backend.times_read % names.size()];
    touch(backend);
  }
  // no rule's condition matches these values, so the verdicts of rules do not change
  if (backend.habit == Habit::kFlapping) {
    backend.application_name = fmt::format("a{}", ++backend.times_read);
  } else if (backend.habit == Habit::kBusy && backend.state == State::kActive && backend.xact_start &&
             !backend.lock_wait) {
    backend.query_start = backend.state_change = stamp();
    backend.query = fmt::format("select 'busy', {}", ++backend.times_read);
  }
}

GuardVerdict Server::run_guard(const Guard& guard, Action action, std::int32_t asker, bool may_signal) {
  const auto clock = shown_now();
  auto* backend = find(guard.session.pid);
  if (backend == nullptr) return {ReplyKind::kGone, false, clock};
  reveal(*backend);
  if (backend->start.shown != guard.session.backend_start && !holes.backend_start) {
    return {ReplyKind::kGone, false, clock};
  }
  if (backend->pid == asker || !still_holds(guard, *backend)) return {ReplyKind::kMovedOn, false, clock};
  if (backend->wait_event == "SyncRep" && !guard.may_wait_for_sync_rep)
    return {ReplyKind::kSyncRep, false, clock};
  if (clock < guard.not_before && !holes.not_before) return {ReplyKind::kEarly, false, clock};
  if (clock > guard.not_after && !holes.not_after) return {ReplyKind::kStale, false, clock};
  if (action == Action::kNothing) return {ReplyKind::kSignalled, true, clock};
  if (backend->is_superuser || backend->user.empty() || !may_signal)
    return {ReplyKind::kDenied, false, clock};
  return {ReplyKind::kSignalled, true, clock};
}

void Server::restart() {
  ++generation;
  trace_.note("restart", number_, [&] { return fmt::format("server {} goes down", number_); });
  const auto keep_going = std::exchange(on_ended, {});
  backends_.clear();
  arrivals.clear();
  locks_.restart();
  on_ended = keep_going;
}

}  // namespace pgcurfew::simulation
