#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/result.hpp"

namespace pgcurfew {

class Descriptor;

/// A lock that one process has, until it lets it go or dies.
class FileLock {
 public:
  explicit FileLock(std::string path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// Takes it, or does nothing if we have it. Does not wait. The file stays there.
  /// *Errors*: another process has it; the system's.
  Result<void> take();

 private:
  std::string path_;
  std::unique_ptr<Descriptor> file_;  ///< null: we do not have it
};

}  // namespace pgcurfew
