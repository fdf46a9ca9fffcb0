#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pgcurfew::simulation {

enum class LockMode { kShare, kExclusive };

/// The heavyweight locks of one server: each object has holders and a queue of waiters. The queue is served
/// in order, so that a request also waits for those before it (a soft block).
///
/// There are no deadlocks: a session that requests several objects does so in their order.
class Locks {
 public:
  /// Returns true if the lock is granted at once; otherwise the backend waits. Requires: the backend does not
  /// wait, and holds no object of this number or a higher one.
  bool request(std::int32_t pid, int object, LockMode mode);

  /// The backend stops waiting and releases everything. Returns those whose wait has ended thereby.
  std::vector<std::int32_t> release(std::int32_t pid);
  /// The backend stops waiting and keeps its locks. Returns as release().
  std::vector<std::int32_t> give_up(std::int32_t pid);

  /// Its locks pass to a prepared transaction.
  void prepare(std::int32_t pid, const std::string& gid);
  std::vector<std::int32_t> finish_prepared(const std::string& gid);
  [[nodiscard]] std::vector<std::string> prepared() const;

  /// Only the locks of prepared transactions remain.
  void restart();

  [[nodiscard]] bool is_waiting(std::int32_t pid) const;
  /// The highest object that the backend holds; -1: none.
  [[nodiscard]] int highest_held(std::int32_t pid) const;
  /// The pids that it waits for, as by pg_blocking_pids; 0 stands for a prepared transaction.
  [[nodiscard]] std::vector<std::int32_t> blockers_of(std::int32_t pid) const;
  /// The prepared transactions among them.
  [[nodiscard]] std::vector<std::string> prepared_before(std::int32_t pid) const;

 private:
  struct Claim {
    std::int32_t pid = 0;  ///< 0: a prepared transaction
    std::string gid;
    LockMode mode = LockMode::kShare;
  };
  struct Object {
    std::vector<Claim> held;
    std::vector<Claim> queue;
  };
  static bool conflict(const Claim& a, const Claim& b) {
    return a.mode == LockMode::kExclusive || b.mode == LockMode::kExclusive;
  }
  /// The claims that block the one at `place` of the queue.
  static std::vector<const Claim*> before(const Object& object, std::size_t place);
  std::vector<std::int32_t> grant();
  [[nodiscard]] std::vector<const Claim*> in_the_way_of(std::int32_t pid) const;

  std::map<int, Object> objects_;
};

}  // namespace pgcurfew::simulation
