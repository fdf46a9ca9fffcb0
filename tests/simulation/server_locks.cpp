// How sessions of the model's server affect each other: locks, and the transactions that they hold back.

#include <algorithm>
#include <set>

#include "simulation/server.hpp"

namespace pgcurfew::simulation {

namespace {

/// All pids that a waiter waits for, directly or through others.
void reach(const std::map<std::int32_t, Backend>& backends, std::int32_t from,
           std::set<std::int32_t>& found) {
  const auto backend = backends.find(from);
  if (backend == backends.end()) return;
  for (const auto pid : backend->second.blockers) {
    if (found.insert(pid).second) reach(backends, pid, found);
  }
}

bool writes(const std::string& query) {
  return query.starts_with("update") || query.starts_with("delete");
}

}  // namespace

void Server::take_snapshot(Backend& backend, const std::string& query) {
  backend.first_wait.reset();
  if (!backend.keeps_snapshot || !backend.xmin) backend.xmin = transactions();
  if (writes(query) && !backend.xid) backend.xid = transactions();
}

std::optional<std::int64_t> Server::xmin_age(const Backend& backend) const {
  if (!backend.xid && !backend.xmin) return std::nullopt;
  return transactions() - std::min(backend.xid.value_or(INT64_MAX), backend.xmin.value_or(INT64_MAX));
}

bool Server::lock(Backend& backend, int object, LockMode mode) {
  const bool is_granted = locks_.request(backend.pid, object, mode);
  trace_.note("lock", backend.pid, [&] {
    return fmt::format("pid {} {} object {} {}", backend.pid, is_granted ? "has" : "waits for", object,
                       mode == LockMode::kShare ? "shared" : "alone");
  });
  if (is_granted) return true;
  backend.lock_wait = stamp();
  if (!backend.first_wait) backend.first_wait = backend.lock_wait;
  wait(backend, "Lock", "relation");
  refresh_waits();
  return false;
}

void Server::unlock(Backend& backend) {
  pass_on(locks_.release(backend.pid));
}

void Server::prepare(Backend& backend, const std::string& gid) {
  locks_.prepare(backend.pid, gid);
  refresh_waits();
}

void Server::finish_prepared(const std::string& gid) {
  pass_on(locks_.finish_prepared(gid));
}

/// Locks were released: sessions that have got one continue.
void Server::pass_on(const std::vector<std::int32_t>& granted) {
  for (const auto pid : granted) {
    auto* backend = find(pid);
    backend->lock_wait.reset();
    backend->waited_until = steady_now();
    wait(*backend, std::nullopt, std::nullopt);
  }
  refresh_waits();
  for (const auto pid : granted) {
    auto* backend = find(pid);
    if (backend != nullptr && !backend->lock_wait && on_granted) on_granted(*backend);
  }
}

void Server::refresh_waits() {
  for (auto& [pid, backend] : backends_) {
    backend.blockers.clear();
    if (backend.lock_wait) backend.blockers = locks_.blockers_of(pid);
  }
  std::map<std::int32_t, std::set<std::uint64_t>> waiters;
  for (const auto& [pid, backend] : backends_) {
    if (!backend.lock_wait) continue;
    std::set<std::int32_t> reached;
    reach(backends_, pid, reached);
    for (const auto other : reached) waiters[other].insert(backend.birth);
  }
  for (auto& [pid, backend] : backends_) {
    const auto& present = waiters[pid];
    std::erase_if(backend.holds_up, [&](const auto& entry) { return !present.contains(entry.first); });
    for (const auto birth : present) {
      if (!backend.holds_up.contains(birth)) backend.holds_up.emplace(birth, stamp());
    }
  }
}

/// Whether a guard's conditions on locks, transactions and the server hold.
bool Server::surroundings_hold(const Guard& guard, const Backend& backend) const {
  const auto stands = [&](const BlockEdge& edge) {
    const auto found = backends_.find(edge.waiter.pid);
    if (found == backends_.end()) return false;
    const auto& waiter = found->second;
    const auto query_start = waiter.query_start ? std::optional(waiter.query_start->shown) : std::nullopt;
    return waiter.start.shown == edge.waiter.backend_start && query_start == edge.query_start &&
           waiter.wait_event_type == "Lock" &&
           std::find(waiter.blockers.begin(), waiter.blockers.end(), edge.blocker) != waiter.blockers.end();
  };
  if (guard.may_not_wait_for_lock && backend.wait_event_type == "Lock" && !holes.lock_wait) return false;
  if (guard.in_recovery && *guard.in_recovery != in_recovery && !holes.in_recovery) return false;
  if (guard.xmin_age && xmin_age(backend).value_or(-1) < *guard.xmin_age && !holes.xmin) return false;
  return holes.edges || std::all_of(guard.edges.begin(), guard.edges.end(), stands);
}

}  // namespace pgcurfew::simulation
