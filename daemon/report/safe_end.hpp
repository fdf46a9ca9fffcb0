#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace pgcurfew {

/// How far the record is safe on the disk: what comes before will be there after a crash, under the same
/// numbers. Any thread may use it.
class SafeEnd {
 public:
  struct Position {
    std::string segment;     ///< empty: nothing is known to be safe yet
    std::uint64_t size = 0;  ///< of this segment; all earlier segments count as safe
    std::uint64_t next = 0;  ///< at least the events before this number are safe

    bool operator==(const Position&) const = default;
  };

  [[nodiscard]] Position get() const {
    const std::unique_lock held(mutex_);
    return position_;
  }
  void set(Position position);
  /// Ends all waits whose condition holds now.
  void wake();
  /// Waits until `is_enough` holds, or for this long. It is called under the lock, and must not block.
  void wait(std::chrono::milliseconds most, const std::function<bool(const Position&)>& is_enough) const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Position position_;
};

}  // namespace pgcurfew
