#include "report/file_sink.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

/// More than is ever offered at once.
constexpr std::uintmax_t kLongestEnd = std::uintmax_t{2} << 20U;
constexpr std::string_view kLineBegins = "{\"seq\":";

/// The end of a file, from about a line's length before it.
struct FileEnd {
  std::uintmax_t from = 0;
  std::string text;
};

FileEnd read_file_end(const std::string& path, std::uintmax_t size) {
  FileEnd end;
  end.from = size - std::min(size, kLongestEnd);
  std::ifstream file(path, std::ios::binary);
  file.exceptions(std::ios::badbit | std::ios::failbit);
  file.seekg(static_cast<std::streamoff>(end.from));
  end.text.resize(static_cast<std::size_t>(size - end.from));
  file.read(end.text.data(), static_cast<std::streamsize>(end.text.size()));
  return end;
}

/// The name that the file gets when it has been renamed so often, as spdlog makes it.
std::string renamed(const std::string& path, std::size_t times) {
  const auto [base, extension] = spdlog::details::file_helper::split_by_extension(path);
  return fmt::format("{}.{}{}", base, times, extension);
}

std::string system_error_text() {
  return std::generic_category().message(errno);
}

/// spdlog has no way to do it; any descriptor of the file will do.
void sync_path(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW);
  const bool is_synced = file >= 0 && ::fsync(file) == 0;
  const auto reason = system_error_text();
  if (file >= 0) ::close(file);
  if (!is_synced) throw std::runtime_error(fmt::format("could not sync {}: {}", path, reason));
}

/// What there is under a name that a file of ours has, or will have.
Result<void> check_own_file(const std::string& path) {
  struct stat there {};
  // a link may lead anywhere; root would also follow another name of another user's file
  if (::lstat(path.c_str(), &there) != 0) return {};
  if (!S_ISREG(there.st_mode)) return failure(fmt::format("{} is not a regular file", printable(path)));
  if (::geteuid() == 0 && there.st_nlink > 1)
    return failure(fmt::format("{} has a second name", printable(path)));
  if (::access(path.c_str(), R_OK | W_OK) == 0) return {};
  return failure(fmt::format("could not write to {}: {}", printable(path), system_error_text()));
}

}  // namespace

/// spdlog's file, and which file it is.
class FileSink::Writer {
 public:
  Writer(const std::string& path, std::int64_t rotate, std::size_t keep)
      : path_(path), sink_(path, static_cast<std::size_t>(rotate), keep) {
    sink_.set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc, "\n"));
    remember();
  }

  void write(const std::string& line) { sink_.log(spdlog::details::log_msg("", spdlog::level::info, line)); }
  /// What was written survives a power failure from then on. Returns whether it is still the file at its
  /// path. *Errors*: the system's, as an exception.
  bool sync() {
    sink_.flush();
    const bool is_moved = is_elsewhere();
    const bool is_renamed = is_moved && is_ours(renamed(path_, 1));
    if (is_moved && !is_renamed) return false;
    if (is_renamed) {
      sync_path(renamed(path_, 1), O_WRONLY);
      sync_path(std::filesystem::path(path_).parent_path(), O_RDONLY | O_DIRECTORY);
    }
    sync_path(path_, O_WRONLY);
    remember();
    return true;
  }
  /// Whether it is not the file at its path any more: spdlog or another program has moved or removed it.
  [[nodiscard]] bool is_elsewhere() const { return !is_ours(path_); }

 private:
  [[nodiscard]] bool is_ours(const std::string& path) const {
    struct stat now {};
    return ::stat(path.c_str(), &now) == 0 && now.st_ino == inode_ && now.st_dev == device_;
  }
  void remember() {
    struct stat now {};
    if (::stat(path_.c_str(), &now) != 0) return;
    inode_ = now.st_ino;
    device_ = now.st_dev;
  }

  std::string path_;
  spdlog::sinks::rotating_file_sink_st sink_;
  ino_t inode_ = 0;
  dev_t device_ = 0;
};

FileSink::FileSink(std::string path, std::int64_t rotate, std::size_t keep)
    : path_(std::move(path)), rotate_(rotate), keep_(keep) {}

FileSink::~FileSink() = default;

Result<void> check_event_file(const std::string& path) {
  const auto directory = std::filesystem::path(path).parent_path().string();
  struct stat there {};
  if (::stat(directory.c_str(), &there) != 0) {
    return failure(fmt::format("could not use directory {}: {}", printable(directory), system_error_text()));
  }
  if (!S_ISDIR(there.st_mode)) return failure(fmt::format("{} is not a directory", printable(directory)));
  // to rename files, too
  if (::access(directory.c_str(), W_OK | X_OK) != 0) {
    return failure(
        fmt::format("could not write to directory {}: {}", printable(directory), system_error_text()));
  }
  return check_own_file(path);
}

/// Reads what the file has, and cuts off a line that a crash has left unfinished.
Result<void> FileSink::read_end() {
  has_.clear();
  std::uintmax_t bytes = 0;
  for (const auto& path : {path_, renamed(path_, 1)}) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    if (error || bytes >= kLongestEnd) continue;
    const auto end = read_file_end(path, size);
    bytes += end.text.size();
    const auto complete = end.text.rfind('\n') + 1;  // 0: there is none
    if (const auto torn = std::string_view(end.text).substr(complete); !torn.empty()) {
      if (path != path_ || !torn.starts_with(kLineBegins.substr(0, torn.size())))
        return failure(fmt::format("{} is not a file of events", printable(path)));
      std::filesystem::resize_file(path, end.from + complete);
    }
    auto rest = std::string_view(end.text).substr(0, complete);
    while (!rest.empty()) {
      const auto line = rest.substr(0, rest.find('\n'));
      if (line.starts_with(kLineBegins)) has_.emplace(line);
      rest.remove_prefix(line.size() + 1);
    }
  }
  return {};
}

Result<void> FileSink::open() {
  if (auto read = read_end(); !read) return read;
  writer_ = std::make_unique<Writer>(path_, rotate_, keep_);
  return {};
}

/// spdlog empties a file that it cannot rename, so it is not to try.
Result<void> FileSink::check_renaming(const std::vector<RecordedEvent>& events) const {
  std::uintmax_t size = std::filesystem::file_size(path_);
  for (const auto& event : events) size += event.text.size() + 1;
  if (size <= static_cast<std::uintmax_t>(rotate_)) return {};
  for (std::size_t times = 1; times <= keep_; ++times) {
    if (auto checked = check_own_file(renamed(path_, times)); !checked) return checked;
  }
  return {};
}

Result<AuditSink::Refused> FileSink::take(const std::vector<RecordedEvent>& events) {
  try {
    if (auto checked = check_event_file(path_); !checked) return tl::make_unexpected(checked.error());
    if (writer_ && writer_->is_elsewhere()) writer_.reset();
    if (!writer_) {
      if (auto opened = open(); !opened) return tl::make_unexpected(opened.error());
    }
    if (auto checked = check_renaming(events); !checked) return tl::make_unexpected(checked.error());
    for (const auto& event : events) {
      if (!has_.contains(event.text)) writer_->write(event.text);
    }
    // another program has moved it while we wrote: they are where it is now
    if (!writer_->sync()) writer_.reset();
    return Refused();
  } catch (const std::exception& error) {
    // spdlog's, and the system's; what was written is found at the next attempt
    writer_.reset();
    return failure(printable(error.what(), 400));
  }
}

}  // namespace pgcurfew
