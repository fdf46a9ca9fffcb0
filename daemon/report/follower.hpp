#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/segment_files.hpp"
#include "base/small_files.hpp"
#include "base/time.hpp"
#include "events/audit_sink.hpp"
#include "report/safe_end.hpp"

namespace pgcurfew {

/// How the names of the files end that say how far a follower is.
inline constexpr std::string_view kCursorSuffix = ".cursor";

/// Copies events from the record to a place, in order, each once it is safe on the disk. It does so on a
/// thread of its own, which may hang. How far it is, is kept in a small file: after a restart it goes on
/// there, and offers again at most what it had last offered. If there is another record in the directory by
/// then, that is copied from its beginning.
class RecordFollower {
 public:
  struct Parts {
    std::unique_ptr<SegmentFiles> record;
    std::unique_ptr<SmallFiles> cursors;
    std::string cursor;  ///< the name of its file
    /// Makes it the only one that copies to the place, for as long as this exists.
    /// *Errors*: another process does.
    std::function<Result<void>()> claim;
    std::string run;          ///< without a cursor, it begins with the first event of this run ...
    WallTime run_began_at{};  ///< ... which is not older than this
    std::shared_ptr<SafeEnd> safe_end;
    std::unique_ptr<AuditSink> sink;
  };

  /// The counts are since the construction.
  struct State {
    std::uint64_t next = 0;  ///< the number of the event that comes next; 0: not known yet
    std::uint64_t copied = 0;
    std::uint64_t missed = 0;      ///< were removed from the record, or damaged, before they were copied
    AuditSink::Refused refused;    ///< will never be taken
    std::optional<Error> trouble;  ///< why events wait now
    std::optional<std::chrono::steady_clock::time_point> offers_since;  ///< the place has not answered since
  };

  /// Any thread calls `on_change`, which must not throw.
  RecordFollower(Parts parts, std::function<void()> on_change);
  /// Leaves the thread behind if it does not end at once: stop() and wait() before.
  ~RecordFollower();
  RecordFollower(const RecordFollower&) = delete;
  RecordFollower& operator=(const RecordFollower&) = delete;

  [[nodiscard]] State state() const;

  /// Asks it to end once it has copied what is safe by then; after a failure at once.
  void stop();
  /// Waits for that, at most until this time. Returns whether it has ended.
  bool wait(std::chrono::steady_clock::time_point deadline) const;

 private:
  struct Inside;
  std::shared_ptr<Inside> inside_;  ///< the thread has it, too
};

}  // namespace pgcurfew
