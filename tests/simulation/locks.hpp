#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pgcurfew::simulation {

enum class LockMode { kShare, kExclusive };

/// The heavyweight locks of one server: each object has those who hold it and a queue of those who wait. The
/// queue is kept in its order, so that who asks for a lock waits for those before it too (a soft block).
///
/// There are no deadlocks: whoever asks for several objects does so in their order.
class Locks {
 public:
  /// True if it is granted at once; it waits otherwise. Requires: it does not wait, and holds no object of
  /// this number or a higher one.
  bool request(std::int32_t pid, int object, LockMode mode);

  /// It waits no more, and holds nothing. Gives those whose wait has ended by that.
  std::vector<std::int32_t> release(std::int32_t pid);
  /// It waits no more, and keeps what it holds.
  std::vector<std::int32_t> give_up(std::int32_t pid);

  /// What it holds goes over to a prepared transaction.
  void prepare(std::int32_t pid, const std::string& gid);
  std::vector<std::int32_t> finish_prepared(const std::string& gid);
  [[nodiscard]] std::vector<std::string> prepared() const;

  /// All but the locks of prepared transactions are gone.
  void restart();

  [[nodiscard]] bool is_waiting(std::int32_t pid) const;
  /// The highest object that it holds; -1: none.
  [[nodiscard]] int highest_held(std::int32_t pid) const;
  /// Those whom it waits for: pg_blocking_pids, 0 standing for a prepared transaction.
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
  /// Those in the way of the claim at a place of the queue.
  static std::vector<const Claim*> before(const Object& object, std::size_t place);
  std::vector<std::int32_t> grant();
  [[nodiscard]] std::vector<const Claim*> in_the_way_of(std::int32_t pid) const;

  std::map<int, Object> objects_;
};

}  // namespace pgcurfew::simulation
