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
  kBrief,  ///< for a user at a terminal: local time of day and message, without fields
};

struct LogOptions {
  LogFormat format = LogFormat::kJson;
  bool colour = false;  ///< colours the level, in text; no effect in JSON
  bool journal_prefix =
      false;  ///< `<5>` in front of each line: systemd takes the priority from it, and strips it
  bool show_debug = false;  ///< otherwise debug events are hidden
  QueryText query_text = QueryText::kRedacted;
  int descriptor = STDOUT_FILENO;  ///< borrowed, never closed; its flags stay as they are
};

/// Whether the descriptor is the stream of systemd's journal, so that LogOptions::journal_prefix is useful.
/// *Shapes*: `journal_stream` is the value of $JOURNAL_STREAM, `device:inode`, or null if it is not set.
/// *Source*: systemd.exec(5), $JOURNAL_STREAM.
bool is_journal(int descriptor, const char* journal_stream) noexcept;

/// The log: one line per event, written at once, with the time of the event in UTC to the millisecond (except
/// for kBrief).
///
/// A reader that is gone, stops reading or has a full disk neither ends nor delays the daemon: a line that
/// cannot be written is dropped and counted, and before the next line that can be written comes an event
/// `log_lost` with the count. SIGPIPE is not raised. A reader that stops within a line costs 10 ms once, and
/// then nothing until it reads again. For use by one thread.
class Log {
 public:
  explicit Log(const LogOptions& options);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(const Event& event) noexcept;

  /// Sets what is shown of queries from now on, after a reload.
  void set_query_text(QueryText query_text) noexcept;

  /// The number of events that could not be written since the start.
  [[nodiscard]] std::uint64_t lost() const noexcept;

 private:
  class Sink;
  struct Inside;  // keeps spdlog out of this header

  std::unique_ptr<Inside> inside_;
};

}  // namespace pgcurfew
