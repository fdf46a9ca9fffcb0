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

/// Look-ups of names on threads of their own, which are left behind if they hang.
///
/// One name has one look-up at a time, and so many names have one at once; the others wait in a queue. A
/// look-up that takes longer than the patience holds up neither its name nor the queue any more: the next
/// ask() goes on without it.
class LookUps {
 public:
  using Numbers = std::vector<std::string>;
  /// The addresses of a name, in numbers; may block.
  using LookUp = std::function<Numbers(const std::string& name)>;
  /// Runs the work on a thread; false if there is none to be had, and then not at all.
  using Start = std::function<bool(std::function<void()> work)>;
  using Clock = std::function<MonotonicTime()>;
  using Told = std::function<void(const Numbers& numbers)>;

  struct Bounds {
    std::size_t at_once = 64;  ///< look-ups within the patience
    std::size_t in_all = 256;  ///< threads, those that hang among them
    Duration patience = std::chrono::minutes(1);
  };

  explicit LookUps(LookUp look_up) : LookUps(std::move(look_up), Bounds()) {}
  LookUps(LookUp look_up, Bounds bounds, Start start = start_thread, Clock clock = steady_now);

  /// The process's own, by getaddrinfo().
  static const std::shared_ptr<LookUps>& of_system();

  /// Looks the name up, at once or in its turn, or joins the look-up of it that is within the patience. The
  /// first look-up of the name to end calls `told`, on another thread, once, unless its last owner has
  /// dropped it before. A name that waits in the queue is forgotten with the last of those who asked for it.
  /// *Errors*: the name could begin but for `in_all` threads that have not ended, or for the system, which
  /// gave no thread; `told` is not called then.
  Result<void> ask(const std::string& name, const std::shared_ptr<Told>& told);

 private:
  static bool start_thread(std::function<void()> work);
  static MonotonicTime steady_now();
  struct Shared;
  std::shared_ptr<Shared> shared_;
  Start start_;
};

}  // namespace pgcurfew
