#pragma once

#include <cstddef>
#include <string_view>

#include <time.h>

namespace pgcurfew {

/// A descriptor that is written to without waiting for its reader: a terminal that is stopped, a pipe that is
/// full, or one whose reader is gone.
///
/// What can't be written is not kept. A reader that stops costs 10 ms once, and nothing from then on until it
/// reads again. SIGPIPE is not raised. The descriptor is borrowed; its flags, which others share (the user's
/// shell first), stay as they are. For the thread that made it.
class Output {
 public:
  explicit Output(int descriptor) noexcept;
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// How many of the bytes were taken.
  std::size_t write(std::string_view bytes) noexcept;

  /// Whether something could be written now.
  [[nodiscard]] bool is_ready() const noexcept;

 private:
  [[nodiscard]] long write_piece(std::string_view piece, int patience_ms) const noexcept;

  int descriptor_;
  timer_t alarm_{};
  bool has_alarm_ = false;
  bool is_stalled_ = false;
};

}  // namespace pgcurfew
