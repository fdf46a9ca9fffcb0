#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/segment_files.hpp"
#include "base/time.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"
#include "report/safe_end.hpp"
#include "report/segments.hpp"

namespace pgcurfew {

/// The record of all events: appends them in the order in which they are handed over, each once, and syncs
/// them. A thread appends and another one syncs, so that neither a slow disk nor one that hangs delays the
/// caller; a process that ends leaves a thread that hangs behind.
class Record {
 public:
  struct Progress {
    /// The first so many events are in the record, as firmly as its bounds require: appended, or synced.
    /// Fewer than before once new bounds require the latter.
    std::uint64_t done = 0;
    std::optional<Error> trouble;   ///< why nothing was appended, or synced, since the last call
    Removed removed;                ///< since the last call
    std::vector<Event> unfinished;  ///< since the last call: ends of what earlier processes have begun
  };

  /// Since the start. What is appended counts as synced once it is safe on the disk.
  struct Counts {
    std::uint64_t handed_over = 0;
    std::uint64_t appended = 0;
    std::uint64_t synced = 0;
    std::uint64_t appended_bytes = 0;
    std::uint64_t waiting_bytes = 0;
  };

  /// `run` differs from process to process: letters and digits. Any thread calls `on_progress`, which must
  /// not throw.
  Record(std::unique_ptr<SegmentFiles> files, std::string run, const RecordBounds& bounds,
         std::function<void()> on_progress);
  /// Waits at most half a second until all is appended and synced.
  ~Record();
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  /// Hands over an event, a JSON object on one line. Returns its number, from 1, or nothing if it is lost.
  std::optional<std::uint64_t> append(std::string event);

  void set_bounds(const RecordBounds& bounds);

  /// Begins to look for what earlier processes have not finished, which takes a while if the record is large.
  void find_unfinished_runs();

  Progress progress();
  [[nodiscard]] Counts counts() const;

  /// How far the record is safe, for threads that read it. From the first call on, events of other processes
  /// are noticed too, within about a second.
  std::shared_ptr<SafeEnd> watch_safe_end();

  /// The most bytes that wait to be appended; events beyond that are lost.
  static constexpr std::size_t kMostWaiting = std::size_t{16} << 20U;

 private:
  struct Inside;
  Result<void> start_thread(void (Inside::*work)());

  std::shared_ptr<Inside> inside_;  ///< the threads have it, too
};

}  // namespace pgcurfew
