#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/small_files.hpp"

namespace pgcurfew::testing {

/// The small files of a machine, which outlast whoever writes them.
class MemoryFiles final : public SmallFiles {
 public:
  Result<void> find() override { return {}; }
  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view suffix) const override {
    if (is_unlistable) return failure("could not list the files: Input/output error");
    std::vector<std::string> names;
    for (const auto& file : files) {
      if (file.first.ends_with(suffix)) names.push_back(file.first);
    }
    return names;
  }
  [[nodiscard]] Result<std::optional<std::string>> read(const std::string& name) const override {
    if (unreadable.contains(name)) return failure("could not open " + name + ": Permission denied");
    const auto found = files.find(name);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  }
  Result<void> write(const std::string& name, std::string_view text) override {
    if (is_full) return failure("could not write " + name + ": No space left on device");
    files.insert_or_assign(name, std::string(text));
    return {};
  }
  Result<void> remove(const std::string& name) override {
    if (is_full) return failure("could not remove " + name + ": Read-only file system");
    files.erase(name);
    return {};
  }
  [[nodiscard]] std::string path_of(const std::string& name) const override { return name; }

  std::map<std::string, std::string> files;
  std::set<std::string> unreadable;
  bool is_full = false;        ///< nothing can be written or removed
  bool is_unlistable = false;  ///< their names cannot be read
};

}  // namespace pgcurfew::testing
