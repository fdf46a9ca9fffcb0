#include "system/file_lock.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "system/careful_files.hpp"

namespace pgcurfew {

FileLock::FileLock(std::string path) : path_(std::move(path)) {}
FileLock::~FileLock() = default;

Result<void> FileLock::take() {
  if (file_) return {};
  auto file = std::make_unique<Descriptor>(open(path_.c_str(), O_RDWR | O_CREAT | kCarefully, 0600));
  if (!file->is_open()) return system_error("create", path_);
  if (auto checked = check_own(file->number(), path_); !checked) return checked;
  if (const auto slash = path_.rfind('/'); slash != std::string::npos)
    give_to_owner_of(path_.substr(0, slash), file->number());
  while (flock(file->number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return system_error("lock", path_);
    return failure(fmt::format("another process holds {}", path_));
  }
  file_ = std::move(file);
  return {};
}

}  // namespace pgcurfew
