#include "engine/blockers.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_set>
#include <utility>

namespace pgcurfew {

namespace {

/// The sessions of a look that each waiter reaches by following waits from waiter to blocker.
class Reach {
 public:
  Reach(std::size_t waiters, std::size_t sessions)
      : words_((sessions + 63) / 64), bits_(waiters, std::vector<std::uint64_t>(words_)) {}

  void add(std::size_t waiter, std::size_t session) {
    bits_[waiter][session / 64] |= std::uint64_t{1} << (session % 64);
  }
  [[nodiscard]] bool has(std::size_t waiter, std::size_t session) const {
    return ((bits_[waiter][session / 64] >> (session % 64)) & 1) != 0;
  }
  /// A waiter that reaches `session` also reaches everything that the session's own wait reaches.
  void pass_on(std::size_t session, std::size_t its_wait) {
    for (std::size_t waiter = 0; waiter < bits_.size(); ++waiter) {
      if (!has(waiter, session)) continue;
      for (std::size_t word = 0; word < words_; ++word) bits_[waiter][word] |= bits_[its_wait][word];
    }
  }

 private:
  std::size_t words_;
  std::vector<std::vector<std::uint64_t>> bits_;
};

using IndexByPid = std::unordered_map<std::int32_t, std::size_t>;

/// The waiters, as indices into the look's sessions, in the order of Look::waits.
struct Waiters {
  std::vector<std::size_t> sessions;
  std::vector<const LockWait*> waits;
};

bool has_waited_longer(const std::shared_ptr<const Session>& a, const std::shared_ptr<const Session>& b) {
  return std::pair(a->blocked_since, a->key) < std::pair(b->blocked_since, b->key);
}

void link_blocks(Look& look, const Waiters& waiters, const IndexByPid& by_pid) {
  Reach reach(waiters.sessions.size(), look.sessions.size());
  for (std::size_t i = 0; i < waiters.sessions.size(); ++i) {
    for (const auto pid : waiters.waits[i]->blockers) {
      const auto found = by_pid.find(pid);
      if (found != by_pid.end()) reach.add(i, found->second);
    }
  }
  for (std::size_t i = 0; i < waiters.sessions.size(); ++i) reach.pass_on(waiters.sessions[i], i);
  std::vector<std::shared_ptr<const Session>> copies;
  copies.reserve(waiters.sessions.size());
  for (const auto index : waiters.sessions) {
    copies.push_back(std::make_shared<const Session>(look.sessions[index]));
  }
  for (std::size_t s = 0; s < look.sessions.size(); ++s) {
    auto& session = look.sessions[s];
    for (std::size_t i = 0; i < copies.size(); ++i) {
      // in a deadlock each session waits for itself
      if (waiters.sessions[i] != s && reach.has(i, s)) session.blocks.push_back(copies[i]);
    }
    std::sort(session.blocks.begin(), session.blocks.end(), has_waited_longer);
  }
}

void mark_leaders(Look& look, const IndexByPid& by_pid) {
  for (const auto& worker : look.sessions) {
    if (!worker.leader_pid || !waits_for_lock(worker)) continue;
    const auto leader = by_pid.find(*worker.leader_pid);
    if (leader != by_pid.end()) look.sessions[leader->second].has_waiting_worker = true;
  }
}

/// Since when a session has certainly not waited; empty if unknown. An idle session waits for no lock.
std::optional<ServerTime> surely_free_since(const Session& session) {
  const bool is_idle = session.state == State::kIdle || session.state == State::kIdleInTransaction ||
                       session.state == State::kIdleInTransactionAborted;
  return is_idle ? session.state_change : std::nullopt;
}

/// The edges of one path from a waiter to `session`; empty if there is none.
std::vector<BlockEdge> way_up(const Session& waiter, const Session& session,
                              const std::unordered_map<std::int32_t, const Session*>& by_pid) {
  std::unordered_map<std::int32_t, BlockEdge> came_by;  // pid reached -> the edge that led to it
  std::deque<const Session*> open{&waiter};
  std::unordered_set<std::int32_t> seen{waiter.key.pid};
  while (!open.empty() && !seen.contains(session.key.pid)) {
    const auto& current = *open.front();
    open.pop_front();
    for (const auto pid : current.blockers) {
      if (!seen.insert(pid).second) continue;
      came_by[pid] = {current.key, current.query_start, pid};
      const auto next = by_pid.find(pid);
      if (next != by_pid.end()) open.push_back(next->second);
    }
  }
  std::vector<BlockEdge> edges;
  if (!seen.contains(session.key.pid)) return edges;
  for (auto pid = session.key.pid; pid != waiter.key.pid; pid = edges.back().waiter.pid) {
    edges.push_back(came_by.at(pid));
  }
  return edges;
}

/// When each waiter of a session began to wait for it, by pid: of all paths from the waiter to the session,
/// the one whose newest wait is the oldest.
std::unordered_map<std::int32_t, ServerTime> held_up_since(const Session& session) {
  std::unordered_map<std::int32_t, ServerTime> since;
  for (bool grew = true; grew;) {
    grew = false;
    // usually sessions wait for those that have waited longest: then one round is enough
    for (const auto& waiter : session.blocks) {
      if (!waiter->blocked_since) continue;
      for (const auto pid : waiter->blockers) {
        const auto next = since.find(pid);
        if (pid != session.key.pid && next == since.end()) continue;
        const auto way =
            next == since.end() ? *waiter->blocked_since : std::max(*waiter->blocked_since, next->second);
        const auto known = since.find(waiter->key.pid);
        if (known != since.end() && known->second <= way) continue;
        since[waiter->key.pid] = way;
        grew = true;
      }
    }
  }
  return since;
}

}  // namespace

std::optional<ServerTime> waiting_since(const Blocking& blocking, const Session& session) {
  const auto waiters = fitting_waiters(blocking, session);
  if (waiters.empty() || waiters.size() < blocking.at_least) return std::nullopt;
  return waiters[blocking.at_least - 1]->blocked_since;
}

std::optional<ServerTime> blocking_since(const Blocking& blocking, const Session& session) {
  const auto waiters = fitting_waiters(blocking, session);
  if (waiters.empty() || waiters.size() < blocking.at_least) return std::nullopt;
  const auto held_up = held_up_since(session);
  std::vector<ServerTime> since;
  for (const auto* waiter : waiters) {
    const auto found = held_up.find(waiter->key.pid);
    if (found == held_up.end()) continue;
    // what it blocked while it waited itself counts for another blocker
    const auto free = session.free_since.find(waiter->key.pid);
    since.push_back(free == session.free_since.end() ? found->second : std::max(found->second, free->second));
  }
  if (since.size() < blocking.at_least) return std::nullopt;
  std::sort(since.begin(), since.end());
  return since[blocking.at_least - 1];
}

std::vector<BlockEdge> edges_of(const Blocking& blocking, const Session& session) {
  std::unordered_map<std::int32_t, const Session*> by_pid;
  for (const auto& waiter : session.blocks) by_pid.emplace(waiter->key.pid, waiter.get());
  auto waiters = fitting_waiters(blocking, session);
  waiters.resize(std::min(waiters.size(), blocking.at_least));
  std::vector<BlockEdge> edges;
  for (const auto* waiter : waiters) {
    for (const auto& edge : way_up(*waiter, session, by_pid)) {
      if (std::find(edges.begin(), edges.end(), edge) == edges.end()) edges.push_back(edge);
    }
    if (edges.size() >= kMostBlockEdges) break;
  }
  edges.resize(std::min(edges.size(), kMostBlockEdges));
  return edges;
}

/// The blockers of one wait become fewer until it is over. A statement that now waits for entirely different
/// sessions, or for locks of their later transactions, has got its lock and waits for another. If its
/// blockers were not read before, it may also have got its lock.
bool WaitMemory::is_same_wait(const Wait& known, const Session& session, const LockWait& wait,
                              const std::vector<std::int32_t>& begun_anew) {
  const auto has = [](const std::vector<std::int32_t>& pids, std::int32_t pid) {
    return std::find(pids.begin(), pids.end(), pid) != pids.end();
  };
  if (known.query_start != session.query_start) return false;
  if (known.blockers.empty()) return wait.blockers.empty();
  return std::any_of(known.blockers.begin(), known.blockers.end(),
                     [&](std::int32_t pid) { return has(wait.blockers, pid) && !has(begun_anew, pid); });
}

void WaitMemory::link(Look& look) {
  IndexByPid by_pid;
  std::unordered_map<SessionKey, std::size_t> by_key;
  for (std::size_t i = 0; i < look.sessions.size(); ++i) {
    by_pid.emplace(look.sessions[i].key.pid, i);
    by_key.emplace(look.sessions[i].key, i);
  }
  std::vector<std::int32_t> begun_anew;
  for (const auto& session : look.sessions) {
    if (session.xact_start && *session.xact_start > last_look_) begun_anew.push_back(session.key.pid);
  }
  Waiters waiters;
  for (const auto& wait : look.waits) {
    const auto found = by_key.find(wait.waiter);
    if (found == by_key.end()) continue;
    auto& session = look.sessions[found->second];
    const auto known = waits_.find(session.key);
    const bool is_same = known != waits_.end() && is_same_wait(known->second, session, wait, begun_anew);
    // the wait began after the rows were read: its beginning is unknown, and the next look will show it
    if (!wait.since && !is_same && !waits_for_lock(session)) continue;
    // pg_locks is read after pg_stat_activity, and the wait may have begun in between
    const auto seen_at = look.taken_at + look.under_way;
    session.blocked_since = wait.since ? *wait.since : is_same ? known->second.since : seen_at;
    session.blockers = wait.blockers;
    waiters.sessions.push_back(found->second);
    waiters.waits.push_back(&wait);
  }
  remember_waits(look);
  if (!waiters.sessions.empty()) link_blocks(look, waiters, by_pid);
  mark_leaders(look, by_pid);
  link_free_since(look);
  last_look_ = look.taken_at;
}

void WaitMemory::remember_waits(const Look& look) {
  std::unordered_map<SessionKey, Wait> waits;
  for (const auto& session : look.sessions) {
    if (!waits_for_lock(session)) continue;
    const auto known = waits_.find(session.key);
    // if the waits could not be read, a known wait continues
    const auto since =
        session.blocked_since.value_or(known != waits_.end() ? known->second.since : look.taken_at);
    auto blockers = session.blockers;
    if (!session.blocked_since && known != waits_.end()) blockers = known->second.blockers;
    waits[session.key] = {session.query_start, since, std::move(blockers)};
  }
  waits_ = std::move(waits);
}

/// A session may have waited between two looks while it blocked others: a new waiter counts from the first
/// look that shows the session not waiting.
void WaitMemory::link_free_since(Look& look) {
  std::unordered_map<SessionKey, bool> is_unknown;  // by waiter: whether its blockers are unknown
  for (const auto& session : look.sessions) {
    if (waits_for_lock(session)) is_unknown[session.key] = !session.blocked_since;
  }
  std::unordered_map<SessionKey, FreeSince> free_since;
  for (auto& session : look.sessions) {
    if (is_held_up(session)) continue;
    const auto before = free_since_.find(session.key);
    const auto known = before == free_since_.end() ? FreeSince() : std::move(before->second);
    FreeSince now;
    for (const auto& waiter : session.blocks) {
      if (!waiter->blocked_since) continue;
      auto since = surely_free_since(session).value_or(look.taken_at);
      const auto earlier = known.find(waiter->key);
      // a wait other than the one in the look before counts as a new wait
      if (earlier != known.end() && *waiter->blocked_since <= earlier->second.blocked_since) {
        since = std::min(since, earlier->second.since);
      }
      now[waiter->key] = {since, *waiter->blocked_since};
      session.free_since[waiter->key.pid] = since;
    }
    for (const auto& [waiter, freedom] : known) {
      const auto found = is_unknown.find(waiter);
      if (found != is_unknown.end() && found->second) now.emplace(waiter, freedom);
    }
    if (!now.empty()) free_since[session.key] = std::move(now);
  }
  free_since_ = std::move(free_since);
}

void WaitMemory::lose_sight() {
  free_since_.clear();
}

void WaitMemory::forget() {
  waits_.clear();
  free_since_.clear();
  last_look_ = {};
}

}  // namespace pgcurfew
