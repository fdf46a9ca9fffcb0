#pragma once

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/segment_files.hpp"

namespace pgcurfew::testing {

/// The growing files of a machine, which outlast whoever writes them. Tests set its faults, and may do so
/// while threads use it.
class MemoryDisk {
 public:
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::string> files;
  std::set<std::string> runs;
  std::optional<std::size_t> room;  ///< so many more bytes can be written
  bool is_unreadable = false;
  bool cannot_truncate = false;
  bool cannot_sync = false;
  bool hangs = false;  ///< writing waits until this is over
  bool sync_hangs = false;
  std::size_t syncs = 0;
};

/// One process's access to it.
class MemorySegments final : public SegmentFiles {
 public:
  explicit MemorySegments(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {}

  Result<void> lock() override { return {}; }
  void unlock() noexcept override {}
  Result<void> begin_run(const std::string& run) override {
    const std::unique_lock held(disk_->mutex);
    disk_->runs.insert(run);
    run_ = run;
    return {};
  }
  void end_run() noexcept override {
    const std::unique_lock held(disk_->mutex);
    disk_->runs.erase(run_);
  }
  [[nodiscard]] bool is_running(const std::string& run) const override {
    const std::unique_lock held(disk_->mutex);
    return disk_->runs.contains(run);
  }
  void forget_dead_runs(const std::string& /*own_run*/) noexcept override {}
  [[nodiscard]] Result<std::vector<std::string>> list() const override {
    const std::unique_lock held(disk_->mutex);
    if (disk_->is_unreadable) return failure("could not list the files: Input/output error");
    std::vector<std::string> names;
    for (const auto& file : disk_->files) names.push_back(file.first);
    return names;
  }
  [[nodiscard]] Result<std::uint64_t> size(const std::string& name) const override {
    const std::unique_lock held(disk_->mutex);
    const auto found = disk_->files.find(name);
    if (found == disk_->files.end()) return failure("could not read " + name + ": No such file or directory");
    return found->second.size();
  }
  [[nodiscard]] Result<std::optional<std::string>> read(const std::string& name, std::uint64_t offset,
                                                        std::size_t most) const override {
    const std::unique_lock held(disk_->mutex);
    if (disk_->is_unreadable) return failure("could not read " + name + ": Input/output error");
    const auto found = disk_->files.find(name);
    if (found == disk_->files.end()) return std::nullopt;
    if (offset >= found->second.size()) return std::string();
    return found->second.substr(offset, most);
  }
  Result<void> append(const std::string& name, std::string_view bytes) override {
    std::unique_lock held(disk_->mutex);
    disk_->changed.wait(held, [&] { return !disk_->hangs; });
    auto& file = disk_->files[name];
    const auto fits = std::min(bytes.size(), disk_->room.value_or(bytes.size()));
    file.append(bytes.substr(0, fits));
    if (disk_->room) *disk_->room -= fits;
    if (fits < bytes.size()) return failure("could not write " + name + ": No space left on device");
    return {};
  }
  Result<void> truncate(const std::string& name, std::uint64_t size) override {
    const std::unique_lock held(disk_->mutex);
    if (disk_->cannot_truncate) return failure("could not write " + name + ": Input/output error");
    disk_->files[name].resize(size);
    return {};
  }
  Result<void> sync(const std::string& name) override {
    std::unique_lock held(disk_->mutex);
    disk_->changed.wait(held, [&] { return !disk_->sync_hangs; });
    ++disk_->syncs;
    if (disk_->cannot_sync) return failure("could not write " + name + ": Input/output error");
    return {};
  }
  Result<void> remove(const std::string& name) override {
    const std::unique_lock held(disk_->mutex);
    disk_->files.erase(name);
    return {};
  }

 private:
  std::shared_ptr<MemoryDisk> disk_;
  std::string run_;
};

}  // namespace pgcurfew::testing
