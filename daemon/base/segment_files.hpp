#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pgcurfew {

/// A store of files that grow at their end, outlive the process, and may be used by several processes.
class SegmentFiles {
 public:
  SegmentFiles() = default;
  SegmentFiles(const SegmentFiles&) = delete;
  SegmentFiles& operator=(const SegmentFiles&) = delete;
  SegmentFiles(SegmentFiles&&) = delete;
  SegmentFiles& operator=(SegmentFiles&&) = delete;
  virtual ~SegmentFiles() = default;

  /// Keeps all other processes from changing the files, until unlock().
  /// *Errors*: the system's; another process has not released them in time.
  virtual Result<void> lock() = 0;
  virtual void unlock() noexcept = 0;

  /// Shows other processes that this one runs, until end_run() or its death; does nothing if that is shown
  /// already. `run`: letters and digits.
  /// *Errors*: the system's.
  virtual Result<void> begin_run(const std::string& run) = 0;
  virtual void end_run() noexcept = 0;
  /// In doubt a process runs.
  [[nodiscard]] virtual bool is_running(const std::string& run) const = 0;
  /// Removes what processes that were killed have left of their begin_run(). `own_run`: our own, which may
  /// begin meanwhile in another thread.
  virtual void forget_dead_runs(const std::string& own_run) noexcept = 0;

  /// The names of all files of the directory, also those of other kinds, in alphabetical order.
  /// *Errors*: the system's.
  [[nodiscard]] virtual Result<std::vector<std::string>> list() const = 0;

  /// *Units*: bytes.
  /// *Errors*: the system's; there is no such file.
  [[nodiscard]] virtual Result<std::uint64_t> size(const std::string& name) const = 0;

  /// At most `most` bytes from `offset` on; fewer only at the end of the file. Empty if there is no such
  /// file. *Errors*: the system's; it is not one of ours.
  [[nodiscard]] virtual Result<std::optional<std::string>> read(const std::string& name, std::uint64_t offset,
                                                                std::size_t most) const = 0;

  /// Writes at the end of a file, which is created if need be.
  /// *Errors*: the system's; then some of the bytes may be there.
  virtual Result<void> append(const std::string& name, std::string_view bytes) = 0;

  /// *Errors*: the system's.
  virtual Result<void> truncate(const std::string& name, std::uint64_t size) = 0;

  /// Makes the file durable, with what was appended to it so far. A file that is gone needs nothing.
  /// *Errors*: the system's.
  virtual Result<void> sync(const std::string& name) = 0;

  /// Removes a file; does nothing if there is none.
  /// *Errors*: the system's.
  virtual Result<void> remove(const std::string& name) = 0;
};

}  // namespace pgcurfew
