#include "system/careful_files.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pgcurfew {

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

tl::unexpected<Error> system_error(std::string_view what, const std::string& path) {
  return failure(fmt::format("could not {} {}: {}", what, path, std::strerror(errno)));
}

Result<void> check_regular(int descriptor, const std::string& path) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return system_error("open", path);
  if (!S_ISREG(status.st_mode)) return failure(fmt::format("{} is not a regular file", path));
  return {};
}

Result<void> check_own(int descriptor, const std::string& path) {
  if (auto checked = check_regular(descriptor, path); !checked) return checked;
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return system_error("open", path);
  if (geteuid() == 0 && status.st_nlink > 1) return failure(fmt::format("{} has a second name", path));
  return {};
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Result<void> sync_directory(const std::string& directory) {
  const Descriptor opened(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open()) return system_error("open", directory);
  if (fsync(opened.number()) != 0) return system_error("write", directory);
  return {};
}

void give_to_owner_of(const std::string& directory, int file) {
  struct stat status {};
  if (geteuid() != 0 || stat(directory.c_str(), &status) != 0) return;
  // some file systems have no owners
  [[maybe_unused]] const int given = fchown(file, status.st_uid, status.st_gid);
}

}  // namespace pgcurfew
