#include "simulation/locks.hpp"

#include <algorithm>
#include <set>

namespace pgcurfew::simulation {

std::vector<const Locks::Claim*> Locks::before(const Object& object, std::size_t place) {
  const auto& claim = object.queue[place];
  std::vector<const Claim*> found;
  for (const auto& holder : object.held) {
    if (conflict(holder, claim)) found.push_back(&holder);
  }
  for (std::size_t i = 0; i < place; ++i) {
    if (conflict(object.queue[i], claim)) found.push_back(&object.queue[i]);
  }
  return found;
}

std::vector<std::int32_t> Locks::grant() {
  std::vector<std::int32_t> granted;
  for (auto& [number, object] : objects_) {
    for (std::size_t i = 0; i < object.queue.size();) {
      if (!before(object, i).empty()) {
        ++i;
        continue;
      }
      granted.push_back(object.queue[i].pid);
      object.held.push_back(object.queue[i]);
      object.queue.erase(object.queue.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return granted;
}

bool Locks::request(std::int32_t pid, int object, LockMode mode) {
  objects_[object].queue.push_back({pid, {}, mode});
  grant();  // no other backend gets a lock, because nothing has changed for them
  return !is_waiting(pid);
}

std::vector<std::int32_t> Locks::release(std::int32_t pid) {
  for (auto& [number, object] : objects_) {
    std::erase_if(object.held, [&](const Claim& claim) { return claim.pid == pid && claim.gid.empty(); });
  }
  return give_up(pid);
}

std::vector<std::int32_t> Locks::give_up(std::int32_t pid) {
  for (auto& [number, object] : objects_) {
    std::erase_if(object.queue, [&](const Claim& claim) { return claim.pid == pid; });
  }
  return grant();
}

void Locks::prepare(std::int32_t pid, const std::string& gid) {
  for (auto& [number, object] : objects_) {
    for (auto& claim : object.held) {
      if (claim.pid == pid) claim = {0, gid, claim.mode};
    }
  }
}

std::vector<std::int32_t> Locks::finish_prepared(const std::string& gid) {
  for (auto& [number, object] : objects_) {
    std::erase_if(object.held, [&](const Claim& claim) { return claim.gid == gid; });
  }
  return grant();
}

std::vector<std::string> Locks::prepared() const {
  std::set<std::string> gids;
  for (const auto& [number, object] : objects_) {
    for (const auto& claim : object.held) {
      if (claim.pid == 0) gids.insert(claim.gid);
    }
  }
  return {gids.begin(), gids.end()};
}

void Locks::restart() {
  for (auto& [number, object] : objects_) {
    object.queue.clear();
    std::erase_if(object.held, [](const Claim& claim) { return claim.pid != 0; });
  }
}

std::vector<const Locks::Claim*> Locks::in_the_way_of(std::int32_t pid) const {
  for (const auto& [number, object] : objects_) {
    for (std::size_t i = 0; i < object.queue.size(); ++i) {
      if (object.queue[i].pid == pid) return before(object, i);
    }
  }
  return {};
}

bool Locks::is_waiting(std::int32_t pid) const {
  return std::any_of(objects_.begin(), objects_.end(), [&](const auto& entry) {
    return std::any_of(entry.second.queue.begin(), entry.second.queue.end(),
                       [&](const Claim& claim) { return claim.pid == pid; });
  });
}

int Locks::highest_held(std::int32_t pid) const {
  int highest = -1;
  for (const auto& [number, object] : objects_) {
    for (const auto& claim : object.held) {
      if (claim.pid == pid) highest = std::max(highest, number);
    }
  }
  return highest;
}

std::vector<std::int32_t> Locks::blockers_of(std::int32_t pid) const {
  std::set<std::int32_t> pids;
  for (const auto* claim : in_the_way_of(pid)) pids.insert(claim->pid);
  return {pids.begin(), pids.end()};
}

std::vector<std::string> Locks::prepared_before(std::int32_t pid) const {
  std::set<std::string> gids;
  for (const auto* claim : in_the_way_of(pid)) {
    if (claim->pid == 0) gids.insert(claim->gid);
  }
  return {gids.begin(), gids.end()};
}

}  // namespace pgcurfew::simulation
