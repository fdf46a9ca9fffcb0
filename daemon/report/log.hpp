#pragma once

#include <cstdint>
#include <memory>

#include <unistd.h>

#include "events/event.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

enum class LogFormat {
  kJson,
  kText,
  kBrief,  ///< for somebody who sits before it: the local time of day and what happened, without fields
};

struct LogOptions {
  LogFormat format = LogFormat::kJson;
  bool colour = false;  ///< of the level, in text; no meaning in JSON
  bool journal_prefix =
      false;  ///< `<5>` in front of each line: systemd takes the priority from it, and strips it
  bool show_debug = false;  ///< otherwise debug events are hidden
  QueryText query_text = QueryText::kRedacted;
  int descriptor = STDOUT_FILENO;  ///< borrowed, never closed; its flags stay as they are
};

/// Whether the descriptor is the journal's stream, so that LogOptions::journal_prefix is of use.
/// *Shapes*: `journal_stream` is the value of $JOURNAL_STREAM, `device:inode`, or null if it is not set.
/// *Source*: systemd.exec(5), $JOURNAL_STREAM.
bool is_journal(int descriptor, const char* journal_stream) noexcept;

/// The log: each event one line, written at once, with the time at which it happened, in UTC to the
/// millisecond (but for kBrief).
///
/// A reader that went away, stopped reading or has its disk full neither ends nor holds up the daemon: a line
/// that can't be written is dropped and counted, and the first one that can be written again is preceded by
/// an event `log_lost` with the count. SIGPIPE is not raised. A reader that stops in the middle of a line
/// costs 10 ms once; after that nothing, until it reads again. For one thread.
class Log {
 public:
  explicit Log(const LogOptions& options);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(const Event& event) noexcept;

  /// What is shown of queries from now on, after a reload.
  void set_query_text(QueryText query_text) noexcept;

  /// How many events could not be written since the start.
  [[nodiscard]] std::uint64_t lost() const noexcept;

 private:
  class Sink;
  struct Inside;  // keeps spdlog out of this header

  std::unique_ptr<Inside> inside_;
};

}  // namespace pgcurfew
