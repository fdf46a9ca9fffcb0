#pragma once

#include <optional>

#include "base/time.hpp"
#include "engine/clock_steps.hpp"

namespace pgcurfew {

/// What we know of a server's clock from samples that come with its replies.
///
/// A sample that was requested at `sent`, answered at `received` and reads `server` puts the difference of
/// the two clocks between `server - received` and `server - sent`. The estimate uses the lower end, so it is
/// never ahead of the server. A sample far from the expected value is a jump: until two looks in a row agree
/// again, the clock is not trusted and no signal may be sent.
class ServerClockEstimate {
 public:
  /// How far a sample may be off before it counts as a jump; also how late a guard may be carried out.
  static constexpr Duration kTolerance = std::chrono::seconds(5);
  /// Smaller differences between two samples are drift; larger ones mean that a clock was set.
  static constexpr Duration kNoticeable = std::chrono::milliseconds(100);

  enum class Sample { kAgrees, kJumped };

  /// Adds a sample. `is_look`: whether it came with a look, the only kind that restores trust.
  Sample observe(MonotonicTime sent, MonotonicTime received, ServerTime server, bool is_look);

  /// Forgets everything, as for another connection.
  void reset() { *this = ServerClockEstimate(); }

  [[nodiscard]] bool is_known() const { return known_; }
  [[nodiscard]] bool is_trusted() const { return known_ && !suspicious_; }

  /// A lower bound of the server's time now. Requires is_known().
  [[nodiscard]] ServerTime at(MonotonicTime now) const;

  /// The time on our clock at which the server's clock will have reached `time`. Requires is_known().
  [[nodiscard]] MonotonicTime when(ServerTime time) const;

  /// When the newest sample came in. Requires is_known().
  [[nodiscard]] MonotonicTime sampled_at() const { return newest_; }

  /// How the clock was set since it has been known: jumps and smaller steps.
  [[nodiscard]] const ClockSteps& steps() const { return steps_; }

  /// The size of the last jump; negative: back.
  [[nodiscard]] Duration last_jump() const { return last_jump_; }

 private:
  void note_step(Duration lowest, Duration highest, Duration aged, MonotonicTime received);

  bool known_ = false;
  bool suspicious_ = false;
  int agreeing_looks_ = 0;
  Duration offset_{};       ///< server minus monotonic, both since their epochs: the lower end
  Duration uncertainty_{};  ///< width of the sample that offset_ is from
  MonotonicTime taken_{};   ///< when it came
  MonotonicTime newest_{};
  ServerTime newest_server_time_{};
  Duration last_jump_{};
  ClockSteps steps_;
};

}  // namespace pgcurfew
