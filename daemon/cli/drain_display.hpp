#pragma once

#include <cstddef>
#include <string>

#include "base/time.hpp"
#include "engine/drain_run.hpp"

namespace pgcurfew {

/// How a drain goes, in a few lines: the phase, what comes next, who is left and why.
/// *Shapes*: no control characters but the ends of lines; at most `most_sessions` sessions are named.
std::string progress_text(const DrainProgress& progress, ServerTime now, std::size_t most_sessions);

/// Shows the text at the foot of a terminal, in the place of the one before; nothing where there is no
/// terminal.
class DrainDisplay {
 public:
  DrainDisplay();
  ~DrainDisplay() { clear(); }
  DrainDisplay(const DrainDisplay&) = delete;
  DrainDisplay& operator=(const DrainDisplay&) = delete;

  void show(const DrainProgress& progress, ServerTime now);
  /// Makes room for a line of the log.
  void clear();
  [[nodiscard]] bool is_on() const { return is_on_; }

 private:
  bool is_on_;
  std::size_t lines_ = 0;
};

}  // namespace pgcurfew
