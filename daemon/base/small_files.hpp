#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pgcurfew {

/// A place where small files outlast us: each is written, replaced or removed as a whole, and what was done
/// lasts once the call has returned.
class SmallFiles {
 public:
  SmallFiles() = default;
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;
  SmallFiles(SmallFiles&&) = delete;
  SmallFiles& operator=(SmallFiles&&) = delete;
  virtual ~SmallFiles() = default;

  /// Finds the place; to be called before anything else, and does nothing once it is found.
  /// *Errors*: there is none that we may use.
  virtual Result<void> find() = 0;

  /// The names that end with `suffix`, in no order.
  /// *Errors*: the system's.
  [[nodiscard]] virtual Result<std::vector<std::string>> list(std::string_view suffix) const = 0;

  /// Nothing if there is no such file.
  /// *Errors*: the system's; it is no file of ours.
  [[nodiscard]] virtual Result<std::optional<std::string>> read(const std::string& name) const = 0;

  /// *Errors*: the system's; what was there before is there still, or the new text is.
  virtual Result<void> write(const std::string& name, std::string_view text) = 0;

  /// Does nothing if there is none.
  /// *Errors*: the system's.
  virtual Result<void> remove(const std::string& name) = 0;

  /// A file as people find it.
  [[nodiscard]] virtual std::string path_of(const std::string& name) const = 0;
};

}  // namespace pgcurfew
