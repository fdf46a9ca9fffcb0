#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/segment_files.hpp"

namespace pgcurfew {

/// Growing files in a directory of this machine's disk.
class DiskSegments final : public SegmentFiles {
 public:
  explicit DiskSegments(std::string directory) : directory_(std::move(directory)) {}
  ~DiskSegments() override {
    unlock();
    end_run();
  }

  Result<void> lock() override;
  void unlock() noexcept override;
  Result<void> begin_run(const std::string& run) override;
  void end_run() noexcept override;
  [[nodiscard]] bool is_running(const std::string& run) const override;
  void forget_dead_runs(const std::string& own_run) noexcept override;
  [[nodiscard]] Result<std::vector<std::string>> list() const override;
  [[nodiscard]] Result<std::uint64_t> size(const std::string& name) const override;
  [[nodiscard]] Result<std::optional<std::string>> read(const std::string& name, std::uint64_t offset,
                                                        std::size_t most) const override;
  Result<void> append(const std::string& name, std::string_view bytes) override;
  Result<void> truncate(const std::string& name, std::uint64_t size) override;
  Result<void> sync(const std::string& name) override;
  Result<void> remove(const std::string& name) override;

 private:
  [[nodiscard]] std::string path_of(const std::string& name) const { return directory_ + '/' + name; }

  std::string directory_;
  int lock_ = -1;
  int run_ = -1;
  std::string running_;
};

}  // namespace pgcurfew
