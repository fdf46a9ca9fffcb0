#include "simulation/oracle.hpp"

#include <algorithm>
#include <vector>

namespace pgcurfew::simulation::oracle {

namespace {

std::optional<std::string> text_of(const Backend& backend, Field field) {
  const auto known = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
  };
  if (field == Field::kDatabase) return known(backend.database);
  if (field == Field::kUser) return known(backend.user);
  if (field == Field::kApplicationName) return backend.application_name;
  if (field == Field::kWaitEventType) return backend.wait_event_type;
  if (field == Field::kWaitEvent) return backend.wait_event;
  return backend.query;
}

const Backend* find_by_birth(const Scene& scene, std::uint64_t birth) {
  for (const auto& [pid, backend] : *scene.sessions) {
    if (backend.birth == birth) return &backend;
  }
  return nullptr;
}

/// The sessions that wait for the backend and match `fitting`; null: all.
std::vector<const Backend*> waiters(const Match* fitting, const Backend& backend, const Scene& scene) {
  std::vector<const Backend*> found;
  for (const auto& [birth, since] : backend.holds_up) {
    const auto* waiter = find_by_birth(scene, birth);
    if (waiter != nullptr && (fitting == nullptr || fits(*fitting, *waiter, scene))) found.push_back(waiter);
  }
  return found;
}

bool one_fits(const Condition& condition, const Backend& backend, const Scene& scene) {
  if (const auto* test = std::get_if<TextTest>(&condition.test)) {
    const auto text = text_of(backend, condition.field);
    if (!text) return false;
    for (const auto& pattern : test->any_of) {
      if (pattern.matches(*text)) return true;
    }
    return false;
  }
  if (const auto* test = std::get_if<AddressTest>(&condition.test)) {
    for (const auto& pattern : test->any_of) {
      if (pattern.is_local() && backend.is_local) return true;
      if (!pattern.is_local() && backend.client_addr && pattern.matches(*backend.client_addr)) return true;
    }
    return false;
  }
  if (const auto* test = std::get_if<BackendTypeTest>(&condition.test)) {
    for (const auto& type : test->any_of) {
      if (type == backend.backend_type) return true;
    }
    return false;
  }
  if (const auto* test = std::get_if<StateTest>(&condition.test)) {
    for (const auto state : test->any_of) {
      if (backend.state == state) return true;
    }
    return false;
  }
  if (const auto* test = std::get_if<BlocksTest>(&condition.test)) {
    return waiters(test->waiter.get(), backend, scene).size() >= test->at_least;
  }
  if (const auto* test = std::get_if<XminAgeTest>(&condition.test)) {
    const bool is_xid_old = backend.xid && scene.transactions - *backend.xid >= test->at_least;
    const bool is_xmin_old = backend.xmin && scene.transactions - *backend.xmin >= test->at_least;
    return is_xid_old || is_xmin_old;
  }
  for (const auto id : std::get<NumbersTest>(condition.test).any_of) {
    if (backend.query_id == id) return true;
  }
  return false;
}

/// When a backend began to wait for a lock. A statement can wait twice, and looks may not show that the first
/// wait ended, so both waits count, also if the clock was set back in between.
std::optional<Stamp> wait_of(const Backend& backend) {
  if (!backend.lock_wait) return std::nullopt;
  auto stamp = *backend.first_wait;
  stamp.shown = std::min(stamp.shown, backend.lock_wait->shown);
  return stamp;
}

std::optional<Stamp> stamp_of(const Backend& backend, Clock clock) {
  if (clock == Clock::kBlockedFor) return wait_of(backend);
  if (clock == Clock::kStateAge) return backend.state_change;
  if (clock == Clock::kQueryAge) return backend.query_start;
  if (clock == Clock::kTransactionAge) return backend.xact_start;
  return backend.start;
}

const Exception* first_exception(const Rule& rule, const Backend& backend, const Scene& scene) {
  for (const auto& exception : rule.except) {
    if (fits(exception.match, backend, scene)) return &exception;
  }
  return nullptr;
}

/// When the `at_least`-th waiter began to wait for any lock, or for this session.
std::optional<Stamp> since_so_many(const Blocking& blocking, const Backend& backend, const Scene& scene,
                                   bool for_this_session) {
  const auto* fitting = blocking.test == nullptr ? nullptr : blocking.test->waiter.get();
  std::vector<Stamp> since;
  for (const auto* waiter : waiters(fitting, backend, scene)) {
    const auto wait = for_this_session ? backend.holds_up.at(waiter->birth) : wait_of(*waiter);
    if (wait) since.push_back(*wait);
  }
  const auto number = std::max<std::size_t>(blocking.at_least, 1);
  if (since.size() < number) return std::nullopt;
  // if the clock was set back, the last by the clock's time may differ from the last in true time
  const auto nth = [&](auto before) {
    std::sort(since.begin(), since.end(), before);
    return since[number - 1];
  };
  auto stamp = nth([](const Stamp& a, const Stamp& b) { return a.shown < b.shown; });
  stamp.steady = nth([](const Stamp& a, const Stamp& b) { return a.steady < b.steady; }).steady;
  return stamp;
}

bool reads(const Rule& rule, std::initializer_list<Field> fields) {
  return std::any_of(rule.match.conditions.begin(), rule.match.conditions.end(),
                     [&](const Condition& condition) {
                       return std::find(fields.begin(), fields.end(), condition.field) != fields.end();
                     });
}

/// The timestamp that identifies the rule's episodes: that of the finest of the session's own ages
/// (state_change is the finest, backend_start the coarsest). Without such an age: query_start if the rule is
/// for sessions that wait, xact_start if it is for those that block others or hold back old rows,
/// state_change if a condition concerns something that changes with it.
Stamp anchor_of(const Rule& rule, const Backend& backend) {
  std::optional<Clock> finest;
  for (const auto& age : rule.match.ages) {
    if (age.clock == Clock::kBlockedFor || age.clock == Clock::kBlocksFor) continue;
    if (!finest || age.clock < *finest) finest = age.clock;
  }
  const auto blocking = blocking_of(rule);
  if (!finest && blocking.is_for_waiters) finest = Clock::kQueryAge;
  if (!finest && (blocking.is_asked || reads(rule, {Field::kXminAge}))) {
    if (backend.xact_start) return *backend.xact_start;
    finest = Clock::kStateAge;
  }
  if (!finest && reads(rule, {Field::kState, Field::kWaitEventType, Field::kWaitEvent, Field::kQuery,
                              Field::kQueryId})) {
    finest = Clock::kStateAge;
  }
  return stamp_of(backend, finest.value_or(Clock::kSessionAge)).value_or(backend.start);
}

/// The built-in protections as this model has them, independently of the engine's list.
bool is_protected_by_default(const Policy& policy, const Backend& backend) {
  const auto is_on = [&](std::string_view name) {
    return std::find(policy.unprotect.begin(), policy.unprotect.end(), name) == policy.unprotect.end();
  };
  const auto& name = backend.application_name;
  const auto& query = backend.query;
  if (name == "pg_dump" && is_on("dumps")) return true;
  if (name.starts_with("pgBackRest") && is_on("backups")) return true;
  if (name.starts_with("Patroni") && is_on("agents")) return true;
  const bool is_concurrent = query.starts_with("create index concurrently") ||
                             query.starts_with("REINDEX (VERBOSE) TABLE CONCURRENTLY");
  if (backend.state == State::kActive && is_concurrent && is_on("concurrent-index")) return true;
  return backend.state == State::kIdle && query.starts_with("listen ") && is_on("listeners");
}

}  // namespace

Blocking blocking_of(const Rule& rule) {
  Blocking blocking;
  for (const auto& condition : rule.match.conditions) {
    const auto* test = std::get_if<BlocksTest>(&condition.test);
    if (test == nullptr) continue;
    blocking.test = test;
    blocking.is_asked = true;
    blocking.at_least = test->at_least;
    if (test->waiter && !test->waiter->ages.empty()) blocking.patience = test->waiter->ages.front().limit;
  }
  for (const auto& age : rule.match.ages) {
    if (age.clock == Clock::kBlockedFor) blocking.is_for_waiters = true;
    if (age.clock != Clock::kBlocksFor) continue;
    blocking.is_asked = true;
    blocking.blocks_for = age.limit;
  }
  return blocking;
}

std::string_view untouchable(const Policy& policy, const Backend& backend, const Scene& scene) {
  if (backend.is_ours) return "own";
  if (backend.leader_pid || backend.backend_type == "parallel worker") return "worker";
  if (backend.backend_type == "walsender" || backend.backend_type == "walreceiver") return "replication";
  if (backend.backend_type.find("logical replication") != std::string::npos) return "replication";
  const auto& off = policy.unprotect;
  const bool spares_sync_rep = std::find(off.begin(), off.end(), "sync-rep") == off.end();
  if (backend.wait_event == "SyncRep" && spares_sync_rep) return "sync-rep";
  if (is_protected_by_default(policy, backend)) return "protected-by-default";
  for (const auto& entry : policy.protect) {
    if (fits(entry, backend, scene)) return "protected";
  }
  return "";
}

bool fits(const Match& match, const Backend& backend, const Scene& scene) {
  for (const auto& condition : match.conditions) {
    if (!one_fits(condition, backend, scene)) return false;
  }
  return true;
}

bool applies(const Rule& rule, const Backend& backend, const Scene& scene) {
  if (!fits(rule.match, backend, scene)) return false;
  const auto blocking = blocking_of(rule);
  // a waiter is never the victim of a blocking rule
  if (blocking.is_asked && !blocking.is_for_waiters && backend.lock_wait) return false;
  const auto* exception = first_exception(rule, backend, scene);
  return exception == nullptr || !exception->match.ages.empty();
}

std::optional<Stamp> blocking_since(const Rule& rule, const Backend& backend, const Scene& scene) {
  return since_so_many(blocking_of(rule), backend, scene, true);
}

std::optional<Due> due(const Rule& rule, const Backend& backend, const Scene& scene) {
  const auto* exception = first_exception(rule, backend, scene);
  const auto blocking = blocking_of(rule);
  std::optional<Due> latest;
  const auto wait_for = [&](const Stamp& stamp, Duration limit) {
    const auto due = stamp.shown + limit;
    if (!latest) latest = Due{due, stamp.steady + limit, stamp.steady, stamp.shown, stamp.shown};
    if (due > latest->shown) latest->start = stamp.shown;
    latest->shown = std::max(latest->shown, due);
    latest->steady = std::max(latest->steady, stamp.steady + limit);
    latest->oldest = std::min(latest->oldest, stamp.steady);
    latest->oldest_shown = std::min(latest->oldest_shown, stamp.shown);
  };
  for (const auto& age : rule.match.ages) {
    const auto stamp = age.clock == Clock::kBlocksFor ? since_so_many(blocking, backend, scene, true)
                                                      : stamp_of(backend, age.clock);
    if (!stamp) return std::nullopt;
    auto limit = age.limit;
    if (exception != nullptr) {
      for (const auto& later : exception->match.ages) {
        if (later.clock == age.clock) limit = later.limit;
      }
    }
    wait_for(*stamp, limit);
  }
  if (blocking.patience) {
    const auto stamp = since_so_many(blocking, backend, scene, false);
    if (!stamp) return std::nullopt;
    wait_for(*stamp, *blocking.patience);
  }
  if (!latest) wait_for(anchor_of(rule, backend), Duration(0));
  return latest;
}

std::uint64_t episode(const Rule& rule, const Backend& backend) {
  return anchor_of(rule, backend).serial;
}

std::optional<std::string> value_of(const Backend& backend, Field field) {
  if (field == Field::kClientAddr) {
    if (backend.is_local) return "local";
    return backend.client_addr ? std::optional(to_text(*backend.client_addr)) : std::nullopt;
  }
  if (field == Field::kQueryId) {
    return backend.query_id ? std::optional(std::to_string(*backend.query_id)) : std::nullopt;
  }
  return text_of(backend, field);
}

bool can_be_cancelled(const Backend& backend) {
  return backend.state == State::kActive || backend.state == State::kFastpathFunctionCall;
}

}  // namespace pgcurfew::simulation::oracle
