#include "report/file_sink.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/words.hpp"

namespace pgcurfew {

namespace {

/// Longer than any line.
constexpr std::uintmax_t kLongestEnd = std::uintmax_t{2} << 20U;

/// The end of a file, from about a line's length before it.
struct FileEnd {
  std::uintmax_t from = 0;
  std::string text;
};

FileEnd read_file_end(const std::string& path, std::uintmax_t size) {
  FileEnd end;
  end.from = size - std::min(size, kLongestEnd);
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(end.from));
  end.text.resize(static_cast<std::size_t>(size - end.from));
  file.read(end.text.data(), static_cast<std::streamsize>(end.text.size()));
  end.text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return end;
}

/// The name that the file gets when it is renamed first, as spdlog makes it.
std::string first_renamed(const std::string& path) {
  const auto [base, extension] = spdlog::details::file_helper::split_by_extension(path);
  return fmt::format("{}.1{}", base, extension);
}

std::string system_error_text() {
  return std::generic_category().message(errno);
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

  void write(const std::string& line) {
    sink_.log(spdlog::details::log_msg("", spdlog::level::info, line));
    has_written_ = true;
  }
  void flush() {
    sink_.flush();
    // it may have been renamed in between
    if (std::exchange(has_written_, false)) remember();
  }
  /// Whether another program has moved or removed the file.
  [[nodiscard]] bool is_elsewhere() const {
    struct stat now {};
    return ::stat(path_.c_str(), &now) != 0 || now.st_ino != inode_ || now.st_dev != device_;
  }

 private:
  void remember() {
    struct stat now {};
    if (::stat(path_.c_str(), &now) != 0) return;
    inode_ = now.st_ino;
    device_ = now.st_dev;
  }

  std::string path_;
  spdlog::sinks::rotating_file_sink_st sink_;
  bool has_written_ = false;
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
  // to rename files, too
  if (!S_ISDIR(there.st_mode)) return failure(fmt::format("{} is not a directory", printable(directory)));
  if (::access(directory.c_str(), W_OK | X_OK) != 0) {
    return failure(
        fmt::format("could not write to directory {}: {}", printable(directory), system_error_text()));
  }
  // a link may lead anywhere
  if (::lstat(path.c_str(), &there) != 0) return {};
  if (!S_ISREG(there.st_mode)) return failure(fmt::format("{} is not a regular file", printable(path)));
  if (::access(path.c_str(), R_OK | W_OK) == 0) return {};
  return failure(fmt::format("could not write to {}: {}", printable(path), system_error_text()));
}

/// Cuts off a line that a crash has left unfinished, and finds the last event that is there.
Result<void> FileSink::repair_end() {
  last_.reset();
  for (const auto& path : {path_, first_renamed(path_)}) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    if (error || size == 0) continue;
    const auto end = read_file_end(path, size);
    const auto complete = end.text.rfind('\n') + 1;  // 0: there is none
    if (complete < end.text.size()) std::filesystem::resize_file(path, end.from + complete, error);
    if (error) return failure(fmt::format("could not repair {}: {}", printable(path), error.message()));
    if (complete == 0) continue;
    const auto text = std::string_view(end.text).substr(0, complete - 1);
    const auto event = nlohmann::json::parse(text.substr(text.rfind('\n') + 1), nullptr, false);
    if (!event.is_object()) return {};
    last_ = Last{event.value("seq", std::uint64_t{0}), event.value("run", std::string()),
                 event.value("ts", std::string())};
    return {};
  }
  return {};
}

Result<void> FileSink::open() {
  if (auto checked = check_event_file(path_); !checked) return checked;
  if (auto repaired = repair_end(); !repaired) return repaired;
  writer_ = std::make_unique<Writer>(path_, rotate_, keep_);
  return {};
}

/// Whether the file has it from an attempt that failed, or from before a crash. An event of another record
/// may have any number, but it is not from before.
bool FileSink::has(const RecordedEvent& event) const {
  if (!last_ || event.seq > last_->seq) return false;
  const auto json = nlohmann::json::parse(event.text, nullptr, false);
  return json.is_object() &&
         (json.value("run", std::string()) == last_->run || json.value("ts", std::string()) <= last_->ts);
}

Result<AuditSink::Refused> FileSink::take(const std::vector<RecordedEvent>& events) {
  try {
    if (writer_ && writer_->is_elsewhere()) writer_.reset();
    if (!writer_) {
      if (auto opened = open(); !opened) return tl::make_unexpected(opened.error());
    }
    for (const auto& event : events) {
      if (!has(event)) writer_->write(event.text);
    }
    writer_->flush();
    return Refused();
  } catch (const std::exception& error) {
    // spdlog's, and those of nlohmann-json for a file that is not ours; what was written is found at the next
    // attempt
    writer_.reset();
    return failure(printable(error.what(), 400));
  }
}

}  // namespace pgcurfew
