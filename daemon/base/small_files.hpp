#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pgcurfew {

/// A store of small files that outlives the process: each file is written, replaced or removed as a whole,
/// and the change is durable once the call has returned.
class SmallFiles {
 public:
  SmallFiles() = default;
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;
  SmallFiles(SmallFiles&&) = delete;
  SmallFiles& operator=(SmallFiles&&) = delete;
  virtual ~SmallFiles() = default;

  /// Finds the directory. Call it before anything else; it does nothing once the directory is found.
  /// *Errors*: there is no directory that we may use.
  virtual Result<void> find() = 0;

  /// The names that end with `suffix`, in no particular order.
  /// *Errors*: the system's.
  [[nodiscard]] virtual Result<std::vector<std::string>> list(std::string_view suffix) const = 0;

  /// The content of a file; empty if there is no such file.
  /// *Errors*: the system's; the file is not one of ours.
  [[nodiscard]] virtual Result<std::optional<std::string>> read(const std::string& name) const = 0;

  /// *Errors*: the system's; the file then has either the old or the new text.
  virtual Result<void> write(const std::string& name, std::string_view text) = 0;

  /// Removes a file; does nothing if there is none.
  /// *Errors*: the system's.
  virtual Result<void> remove(const std::string& name) = 0;

  /// The path of a file, for messages.
  [[nodiscard]] virtual std::string path_of(const std::string& name) const = 0;
};

}  // namespace pgcurfew
