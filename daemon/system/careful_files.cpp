#include "system/careful_files.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace pgcurfew {

namespace {

constexpr std::size_t kLongestSmallFile = 65536;
constexpr std::uint64_t kLeastSpace = 1'000'000;

Result<std::string> read_to_end(int descriptor, const std::string& path) {
  std::string text;
  std::array<char, 4096> buffer{};
  while (text.size() <= kLongestSmallFile) {
    const auto count = read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("read", path);
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return failure(fmt::format("{} is longer than {} bytes", path, kLongestSmallFile));
}

}  // namespace

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

Result<std::optional<std::string>> read_small_file(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | kCarefully));
  if (!file.is_open() && errno == ENOENT) return std::optional<std::string>();
  if (!file.is_open()) return system_error("open", path);
  if (const auto checked = check_regular(file.number(), path); !checked)
    return tl::make_unexpected(checked.error());
  return read_to_end(file.number(), path);
}

Result<std::string> read_users_file(const std::string& path, Secrecy secrecy) {
  const Descriptor file(open(path.c_str(), O_RDONLY | (kCarefully & ~O_NOFOLLOW)));
  if (!file.is_open()) return system_error("open", path);
  if (const auto checked = check_regular(file.number(), path); !checked)
    return tl::make_unexpected(checked.error());
  struct stat status {};
  if (fstat(file.number(), &status) != 0) return system_error("open", path);
  if (secrecy == Secrecy::kSecret && (status.st_mode & S_IRWXO) != 0)
    return failure(fmt::format("others can use {}", path), {}, fmt::format("chmod o= {}", path));
  return read_to_end(file.number(), path);
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

Result<void> check_space(const std::string& directory) {
  struct statvfs status {};
  if (statvfs(directory.c_str(), &status) != 0) return system_error("read the free space of", directory);
  const auto left =
      static_cast<std::uint64_t>(geteuid() == 0 ? status.f_bfree : status.f_bavail) * status.f_frsize;
  if (left >= kLeastSpace) return {};
  return failure(fmt::format("the file system of {} is full: {} bytes are left", directory, left));
}

void give_to_owner_of(const std::string& directory, int file) {
  struct stat status {};
  if (geteuid() != 0 || stat(directory.c_str(), &status) != 0) return;
  // some file systems have no owners
  [[maybe_unused]] const int given = fchown(file, status.st_uid, status.st_gid);
}

}  // namespace pgcurfew
