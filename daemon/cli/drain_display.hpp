#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "drains/drain_progress.hpp"
#include "report/output.hpp"

namespace pgcurfew {

/// How a drain goes, in a few lines: when it ends and its phase; who is left and what comes next; who they
/// are and why. *Shapes*: no control characters but the ends of lines; when it ends comes first, and only
/// while that is to come; at most `most_sessions` sessions are named.
std::string progress_text(const DrainProgress& progress, ServerTime now, std::size_t most_sessions);

/// Shows the text at the foot of a terminal, in the place of the one before; nothing where there is no
/// terminal, or one that takes nothing now.
class DrainDisplay {
 public:
  DrainDisplay();
  ~DrainDisplay() { clear(); }
  DrainDisplay(const DrainDisplay&) = delete;
  DrainDisplay& operator=(const DrainDisplay&) = delete;

  void show(const DrainProgress& progress, ServerTime now);
  /// Makes room for a line of the log.
  void clear();
  /// Leaves these words there, on a line of their own, and shows nothing from now on: the command writes to
  /// the terminal, and the lines above ours may be its own.
  void give_way(std::string_view last_words);

 private:
  /// In place of what was drawn last; as much of it as is taken at once.
  void draw(std::string_view text, std::size_t lines);

  bool is_on_;
  Output output_;
  std::size_t lines_ = 0;
  bool is_torn_ = false;  ///< it took a part of the last
};

}  // namespace pgcurfew
