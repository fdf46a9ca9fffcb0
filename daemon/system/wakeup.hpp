#pragma once

#include <functional>
#include <memory>

#include "system/loop.hpp"

namespace pgcurfew {

class Descriptor;

/// Lets other threads call a function of the loop's.
class Wakeup {
 public:
  /// The loop calls `callback`, once for any number of calls from threads.
  Wakeup(Loop& loop, std::function<void()> callback);
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  /// What a thread calls. It never throws or blocks, and may outlive this; then it does nothing.
  [[nodiscard]] std::function<void()> caller() const;

  /// Whether there is a descriptor; otherwise nothing is ever called.
  [[nodiscard]] bool is_open() const;

 private:
  std::shared_ptr<const Descriptor> event_;
  std::function<void()> callback_;
  Readiness readiness_;
};

}  // namespace pgcurfew
