#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace pgcurfew {

/// Look-ups of names, each on a thread of its own that is left behind if it hangs: of a name one at a time,
/// and a bounded number in all.
class LookUps {
 public:
  using Numbers = std::vector<std::string>;
  /// The addresses of a name, in numbers; may block.
  using LookUp = std::function<Numbers(const std::string& name)>;
  /// Runs the work on a thread; false if there is none to be had, and then not at all.
  using Start = std::function<bool(std::function<void()> work)>;
  using Told = std::function<void(const Numbers& numbers)>;

  static constexpr std::size_t kMost = 64;

  explicit LookUps(LookUp look_up, std::size_t most = kMost, Start start = start_thread);

  /// The process's own, by getaddrinfo().
  static const std::shared_ptr<LookUps>& of_system();

  /// Looks the name up, or joins the look-up of it that has not ended. `told` is called on another thread,
  /// once, unless its last owner has dropped it before. *Errors*: so many have not ended already, or no
  /// thread could be started; `told` is not called then.
  Result<void> ask(const std::string& name, const std::shared_ptr<Told>& told);

 private:
  static bool start_thread(std::function<void()> work);
  struct Running;
  std::shared_ptr<Running> running_;
  std::size_t most_;
  Start start_;
};

}  // namespace pgcurfew
