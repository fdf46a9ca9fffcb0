#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcurfew {

/// Looks up names on separate threads, which are abandoned if they hang.
///
/// Each name has one look-up at a time, and at most `at_once` names have one; the others wait in a queue. A
/// look-up that takes longer than the patience no longer delays its name or the queue: the next ask() ignores
/// it.
class LookUps {
 public:
  using Numbers = std::vector<std::string>;
  /// The numeric addresses of a name; may block.
  using LookUp = std::function<Numbers(const std::string& name)>;
  /// Runs the work on a thread; false if none could be started, and the work is not run then.
  using Start = std::function<bool(std::function<void()> work)>;
  using Clock = std::function<MonotonicTime()>;
  using Told = std::function<void(const Numbers& numbers)>;

  struct Bounds {
    std::size_t at_once = 64;  ///< look-ups within the patience
    std::size_t in_all = 256;  ///< threads, including those that hang
    Duration patience = std::chrono::minutes(1);
  };

  explicit LookUps(LookUp look_up) : LookUps(std::move(look_up), Bounds()) {}
  LookUps(LookUp look_up, Bounds bounds, Start start = start_thread, Clock clock = steady_now);

  /// The one of this process, which calls getaddrinfo().
  static const std::shared_ptr<LookUps>& of_system();

  /// Looks the name up, at once or when its turn comes, or joins a look-up of it that is within the patience.
  /// The first look-up of the name to end calls `told` once, on another thread, unless `told` has no owner
  /// any more. A name is removed from the queue when no `told` of it has an owner any more.
  /// *Errors*: it is the name's turn, but `in_all` threads have not ended, or the system could not start a
  /// thread; `told` is not called then.
  Result<void> ask(const std::string& name, const std::shared_ptr<Told>& told);

 private:
  static bool start_thread(std::function<void()> work);
  static MonotonicTime steady_now();
  struct Shared;
  std::shared_ptr<Shared> shared_;
  Start start_;
};

}  // namespace pgcurfew
