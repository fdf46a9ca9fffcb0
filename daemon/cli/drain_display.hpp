#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "drains/drain_progress.hpp"
#include "report/output.hpp"

namespace pgcurfew {

/// The progress of a drain in a few lines: when it ends and its phase; how many sessions are left and the
/// next step; the sessions, and why they stay. *Shapes*: no control characters except newlines; the time
/// until the end comes first, and only before that end; at most `most_sessions` sessions are named.
std::string progress_text(const DrainProgress& progress, ServerTime now, std::size_t most_sessions);

/// Shows the text at the bottom of a terminal, in place of the previous one; shows nothing without a
/// terminal, or while it accepts no output.
class DrainDisplay {
 public:
  DrainDisplay();
  ~DrainDisplay() { clear(); }
  DrainDisplay(const DrainDisplay&) = delete;
  DrainDisplay& operator=(const DrainDisplay&) = delete;

  void show(const DrainProgress& progress, ServerTime now);
  /// Makes room for a line of the log.
  void clear();
  /// Leaves these words on a separate line and shows nothing from now on: the command writes to the terminal,
  /// and its output must not be overwritten.
  void give_way(std::string_view last_words);

 private:
  /// Replaces what was drawn last; writes only as much as the terminal accepts at once.
  void draw(std::string_view text, std::size_t lines);

  bool is_on_;
  Output output_;
  std::size_t lines_ = 0;
  bool is_torn_ = false;  ///< the last text was only partly written
};

}  // namespace pgcurfew
