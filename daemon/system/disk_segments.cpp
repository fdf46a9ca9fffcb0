#include "system/disk_segments.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include <dirent.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/careful_files.hpp"

namespace pgcurfew {

namespace {

constexpr const char* kLockFile = "record.lock";
/// A process has the lock while it writes; one that was stopped just then would keep it.
constexpr auto kLongestWait = std::chrono::milliseconds(500);
/// Another process has a run file locked while it looks whether that is of a dead one.
constexpr auto kLongestProbe = std::chrono::milliseconds(10);
constexpr auto kPause = std::chrono::microseconds(200);

constexpr std::string_view kRunPrefix = "record-";
constexpr std::string_view kRunSuffix = ".run";

std::string run_file(const std::string& run) {
  return fmt::format("{}{}{}", kRunPrefix, run, kRunSuffix);
}

/// Returns false, with errno, if the file could not be locked; EWOULDBLOCK: another process has held it all
/// the time.
bool lock_within(int file, std::chrono::milliseconds most) {
  const auto deadline = std::chrono::steady_clock::now() + most;
  while (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

/// Removes the run file of a process that has ended. Returns whether it has.
bool remove_if_dead(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | kCarefully));
  if (!file.is_open()) return errno == ENOENT;
  if (flock(file.number(), LOCK_EX | LOCK_NB) != 0) return false;
  unlink(path.c_str());
  return true;
}

}  // namespace

Result<void> DiskSegments::lock() {
  const auto path = path_of(kLockFile);
  if (lock_ < 0) {
    lock_ = open(path.c_str(), O_RDWR | O_CREAT | kCarefully, 0600);
    if (lock_ < 0) return system_error("create", path);
    if (auto checked = check_own(lock_, path); !checked) {
      unlock();
      return checked;
    }
    give_to_owner_of(directory_, lock_);
  }
  if (lock_within(lock_, kLongestWait)) return {};
  if (errno != EWOULDBLOCK) return system_error("lock", path);
  return failure(fmt::format("another process holds {}", path));
}

void DiskSegments::unlock() noexcept {
  if (lock_ < 0) return;
  // a child process that was just forked may still have a copy
  flock(lock_, LOCK_UN);
  // closed, so that a directory that was removed and made again gets a lock of its own
  close(std::exchange(lock_, -1));
}

Result<void> DiskSegments::begin_run(const std::string& run) {
  if (run_ >= 0) return {};
  const auto path = path_of(run_file(run));
  while (true) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | kCarefully, 0600);
    if (file < 0) return system_error("create", path);
    if (!lock_within(file, kLongestProbe)) {
      auto error = system_error("lock", path);
      close(file);
      return error;
    }
    struct stat status {};
    // another process may have taken it for that of a dead one, and removed it before it was locked
    if (fstat(file, &status) == 0 && status.st_nlink > 0) {
      if (auto checked = check_own(file, path); !checked) {
        close(file);
        return checked;
      }
      give_to_owner_of(directory_, file);
      run_ = file;
      running_ = run;
      return {};
    }
    close(file);
  }
}

void DiskSegments::end_run() noexcept {
  if (run_ < 0) return;
  unlink(path_of(run_file(running_)).c_str());
  close(std::exchange(run_, -1));
}

bool DiskSegments::is_running(const std::string& run) const {
  return !remove_if_dead(path_of(run_file(run)));
}

void DiskSegments::forget_dead_runs(const std::string& own_run) noexcept {
  try {
    for (const auto& name : list().value_or(std::vector<std::string>())) {
      if (!name.starts_with(kRunPrefix) || !name.ends_with(kRunSuffix)) continue;
      if (name != run_file(own_run)) remove_if_dead(path_of(name));
    }
  } catch (const std::exception&) {
    // they are of no harm
    return;
  }
}

Result<std::vector<std::string>> DiskSegments::list() const {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(directory_.c_str()), closedir);
  if (!directory) return system_error("read", directory_);
  std::vector<std::string> names;
  while (const auto* file = readdir(directory.get())) names.emplace_back(file->d_name);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::uint64_t> DiskSegments::size(const std::string& name) const {
  struct stat status {};
  const auto path = path_of(name);
  if (lstat(path.c_str(), &status) != 0) return system_error("read", path);
  return static_cast<std::uint64_t>(status.st_size);
}

Result<std::optional<std::string>> DiskSegments::read(const std::string& name, std::uint64_t offset,
                                                      std::size_t most) const {
  const auto path = path_of(name);
  const Descriptor file(open(path.c_str(), O_RDONLY | kCarefully));
  if (!file.is_open() && errno == ENOENT) return std::nullopt;
  if (!file.is_open()) return system_error("open", path);
  if (const auto checked = check_regular(file.number(), path); !checked)
    return tl::make_unexpected(checked.error());
  std::string text(most, '\0');
  std::size_t size = 0;
  while (size < most) {
    const auto count =
        pread(file.number(), text.data() + size, most - size, static_cast<off_t>(offset + size));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("read", path);
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  text.resize(size);
  return text;
}

Result<void> DiskSegments::append(const std::string& name, std::string_view bytes) {
  const auto path = path_of(name);
  constexpr int kFlags = O_WRONLY | O_APPEND | kCarefully;
  const Descriptor made(open(path.c_str(), kFlags | O_CREAT | O_EXCL, 0600));
  // a file that was there may be a link to another one, which is not ours to give away
  if (made.is_open()) give_to_owner_of(directory_, made.number());
  const Descriptor found(made.is_open() ? -1 : open(path.c_str(), kFlags));
  const int file = made.is_open() ? made.number() : found.number();
  if (file < 0) return system_error("create", path);
  if (auto checked = check_own(file, path); !checked) return checked;
  if (!write_all(file, bytes)) return system_error("write", path);
  return {};
}

Result<void> DiskSegments::truncate(const std::string& name, std::uint64_t size) {
  const auto path = path_of(name);
  const Descriptor file(open(path.c_str(), O_WRONLY | kCarefully));
  if (!file.is_open()) return system_error("open", path);
  if (auto checked = check_own(file.number(), path); !checked) return checked;
  if (ftruncate(file.number(), static_cast<off_t>(size)) != 0) return system_error("write", path);
  return {};
}

Result<void> DiskSegments::sync(const std::string& name) {
  const auto path = path_of(name);
  const Descriptor file(open(path.c_str(), O_RDONLY | kCarefully));
  if (!file.is_open() && errno == ENOENT) return {};
  if (!file.is_open()) return system_error("open", path);
  if (fdatasync(file.number()) != 0) return system_error("write", path);
  return sync_directory(directory_);
}

Result<void> DiskSegments::remove(const std::string& name) {
  const auto path = path_of(name);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return system_error("remove", path);
  return {};
}

}  // namespace pgcurfew
