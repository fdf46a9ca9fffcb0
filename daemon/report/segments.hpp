#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/segment_files.hpp"
#include "base/time.hpp"
#include "events/audit_sink.hpp"
#include "policy/policy.hpp"
#include "report/safe_end.hpp"

namespace pgcurfew {

/// How the names of all segments end.
inline constexpr std::string_view kRecordSuffix = ".jsonl";

/// A file of the record. Its name says which event it begins with, and when that was appended.
struct SegmentName {
  std::uint64_t first = 0;
  WallTime created{};
};
std::string name_of(const SegmentName& segment);
/// Empty if a file is not a segment.
std::optional<SegmentName> parse_segment_name(std::string_view file);

/// The segments among the files, oldest first.
/// *Errors*: the system's.
Result<std::vector<std::string>> list_segments(const SegmentFiles& files);

/// Old events that were removed.
struct Removed {
  std::uint64_t by_size = 0;  ///< the number of events removed before their time, because of the size
  WallTime until{};           ///< later events are still there
};

/// The end of the record: appends lines, and removes the oldest segments. Several processes may append to one
/// record in turn.
class Segments {
 public:
  /// `run`: identifies the process in its lines. `files` must outlive this.
  Segments(SegmentFiles& files, std::string run) : files_(files), run_(std::move(run)) {}

  /// Appends events, each a JSON object on one line, with consecutive numbers. Cuts off what another process
  /// has left unfinished.
  /// *Errors*: the system's; then none of them is in the record.
  Result<void> append(const std::vector<std::string>& events, const RecordBounds& bounds, WallTime now);

  /// Removes the oldest segments until the record is within its bounds, and adds what is gone to `removed`.
  /// *Errors*: the system's.
  Result<void> remove_old(const RecordBounds& bounds, WallTime now, Removed& removed);

  /// Finds the present end, where other processes may have appended.
  /// *Errors*: the system's.
  Result<void> look_for_end();

  /// The last segment, as far as known; empty before the first append.
  [[nodiscard]] const std::string& current() const { return current_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }  ///< of that segment
  [[nodiscard]] std::uint64_t next() const { return next_; }  ///< the number of the next event

 private:
  struct Cut {
    std::string segment;
    std::uint64_t kept = 0;   ///< its size before an append that failed
    std::uint64_t found = 0;  ///< its size after that
  };

  Result<void> cut_what_failed();
  Result<void> find_end();
  Result<void> read_end(const std::string& segment, std::uint64_t size);
  Result<void> append_locked(const std::vector<std::string>& events, const RecordBounds& bounds,
                             WallTime now);

  SegmentFiles& files_;
  std::string run_;
  std::string current_;
  std::uint64_t size_ = 0;  ///< of the current segment, as we have left it
  std::uint64_t next_ = 1;  ///< the number of the next event
  bool is_known_ = false;   ///< the three above match the disk as of our last append
  std::optional<Cut> to_cut_;
};

/// Reads the record in order.
class RecordReader {
 public:
  /// Begins with event `next`, or the first that is there. `files` must outlive this.
  explicit RecordReader(const SegmentFiles& files, std::uint64_t next = 1) : files_(files), next_(next) {}

  /// Begins with the first segment that may have events of `time` or later.
  void skip_to(WallTime time) { not_before_ = time; }

  /// The next lines; none at the end, where more may come. `end`: what comes after it is not read yet.
  /// *Errors*: the system's.
  Result<std::vector<RecordedEvent>> read(const std::optional<SafeEnd::Position>& end = std::nullopt);

  /// The number of events that were not there when their turn came: removed, damaged, or taken out.
  [[nodiscard]] std::uint64_t missed() const { return missed_; }
  /// The number of lines that were damaged, and left out; their events count as missed once a later one is
  /// read.
  [[nodiscard]] std::uint64_t damaged() const { return damaged_; }
  [[nodiscard]] std::uint64_t next() const { return next_; }

 private:
  Result<bool> find_segment();
  [[nodiscard]] std::size_t window(const std::optional<SafeEnd::Position>& end) const;
  void take(std::string_view text, std::vector<RecordedEvent>& lines);

  const SegmentFiles& files_;
  std::uint64_t next_;
  std::optional<WallTime> not_before_;
  std::string segment_;
  std::uint64_t offset_ = 0;
  std::uint64_t missed_ = 0;
  std::uint64_t damaged_ = 0;
};

}  // namespace pgcurfew
