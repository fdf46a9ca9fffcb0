#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/time.hpp"
#include "report/picture.hpp"

namespace pgcurfew {

/// Hands pictures from the loop to other threads: one is drawn only when it is asked for, and at most once in
/// kFresh.
class PictureExchange {
 public:
  /// A picture of this age or less is as good as a new one.
  static constexpr Duration kFresh = std::chrono::seconds(1);
  /// How long a thread waits for the loop.
  static constexpr Duration kPatience = std::chrono::milliseconds(500);

  /// `ask`: any thread calls it; the loop then has to call offer() soon.
  explicit PictureExchange(std::function<void()> ask) : ask_(std::move(ask)) {}

  /// For other threads: a picture that is fresh, or the last one if the loop does not draw another in time;
  /// null: there was none yet.
  std::shared_ptr<const Picture> recent();

  void offer(std::shared_ptr<const Picture> picture);

  /// How long the loop has not drawn a picture although it was asked to; 0 if it was not asked since the
  /// last.
  [[nodiscard]] Duration silence() const;

  /// From now on no thread waits.
  void close();

 private:
  std::function<void()> ask_;
  mutable std::mutex mutex_;
  std::condition_variable offered_;
  std::shared_ptr<const Picture> picture_;
  MonotonicTime in_vain_until_{};          ///< the loop did not answer lately
  std::optional<MonotonicTime> asked_at_;  ///< the first time since the last picture
  bool is_closed_ = false;
};

}  // namespace pgcurfew
