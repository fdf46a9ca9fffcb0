#pragma once

#include <cstddef>
#include <string_view>

#include <time.h>

namespace pgcurfew {

/// A descriptor for writing without waiting for its reader, such as a stopped terminal, a full pipe, or a
/// pipe whose reader is gone.
///
/// Output that cannot be written is dropped. A reader that stops costs 10 ms once, and then nothing until it
/// reads again. SIGPIPE is not raised. The descriptor is borrowed; its flags stay as they are, because other
/// processes share them (such as the user's shell). For use by the thread that created it.
class Output {
 public:
  explicit Output(int descriptor) noexcept;
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Writes; returns how many of the bytes were taken.
  std::size_t write(std::string_view bytes) noexcept;

  /// Whether a write is possible now.
  [[nodiscard]] bool is_ready() const noexcept;

 private:
  [[nodiscard]] long write_piece(std::string_view piece, int patience_ms) const noexcept;

  int descriptor_;
  timer_t alarm_{};
  bool has_alarm_ = false;
  bool is_stalled_ = false;
};

}  // namespace pgcurfew
