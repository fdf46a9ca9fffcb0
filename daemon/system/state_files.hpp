#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/small_files.hpp"

namespace pgcurfew {

/// The state directory: $STATE_DIRECTORY (systemd's) if that is set; otherwise the first of /var/lib/pgcurfew
/// if we may write there or read a file that ends with `suffix`, $XDG_STATE_HOME/pgcurfew,
/// ~/.local/state/pgcurfew. The last two are created if `absent` says so. Files there can be read without the
/// right to write. Empty if there is none that we may use.
enum class IfAbsent { kCreate, kLeave };
std::optional<std::string> find_state_directory(std::string_view suffix, IfAbsent absent = IfAbsent::kCreate);

/// Whether this user can write to the directory that find_state_directory() would find or create; creates
/// nothing.
/// *Errors*: there is none that we could write to; $STATE_DIRECTORY or /var/lib/pgcurfew is full.
Result<void> check_state_directory();

/// The state files on this machine's disk. The effects of write() and remove() survive a power failure.
class StateFiles final : public SmallFiles {
 public:
  /// Uses the directory that find_state_directory() returns for `suffix`, once find() has found it.
  static StateFiles in_state_directory(std::string_view suffix) {
    return StateFiles(std::string(suffix), {});
  }
  static StateFiles in(std::string directory) { return StateFiles({}, std::move(directory)); }
  static std::unique_ptr<SmallFiles> owned_in(std::string directory) {
    return std::unique_ptr<SmallFiles>(new StateFiles({}, std::move(directory)));
  }

  Result<void> find() override;
  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view suffix) const override;
  [[nodiscard]] Result<std::optional<std::string>> read(const std::string& name) const override;
  Result<void> write(const std::string& name, std::string_view text) override;
  Result<void> remove(const std::string& name) override;
  [[nodiscard]] std::string path_of(const std::string& name) const override;

 private:
  StateFiles(std::string suffix, std::string directory)
      : suffix_(std::move(suffix)), directory_(std::move(directory)) {}

  std::string suffix_;
  std::string directory_;  ///< empty: not found yet; once found, it does not change
};

}  // namespace pgcurfew
