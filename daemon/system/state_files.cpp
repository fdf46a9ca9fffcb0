#include "system/state_files.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/careful_files.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kNewSuffix = ".new";
constexpr std::string_view kUsualDirectory = "/var/lib/pgcurfew";

bool is_readable(const std::string& directory) {
  struct stat status {};
  if (stat(directory.c_str(), &status) != 0) return false;
  if (!S_ISDIR(status.st_mode)) errno = ENOTDIR;
  return S_ISDIR(status.st_mode) && access(directory.c_str(), R_OK | X_OK) == 0;
}

bool is_usable(const std::string& directory) {
  return is_readable(directory) && access(directory.c_str(), W_OK) == 0;
}

/// Whether there is a file of ours that we can read, even if we cannot remove it.
bool holds_files(const std::string& directory, std::string_view suffix) {
  if (!is_readable(directory)) return false;
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(opendir(directory.c_str()), closedir);
  if (!opened) return false;
  while (const auto* file = readdir(opened.get())) {
    const std::string name = file->d_name;
    const auto path = fmt::format("{}/{}", directory, name);
    if (name.ends_with(suffix) && access(path.c_str(), R_OK) == 0) return true;
  }
  return false;
}

void make_directories(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    if (mkdir(path.substr(0, end).c_str(), 0700) != 0 && errno != EEXIST) return;
    if (end == std::string::npos) return;
  }
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The first of them, as systemd separates them; empty: none is given.
std::string given_state_directory() {
  auto given = environment("STATE_DIRECTORY");
  given.resize(std::min(given.size(), given.find(':')));
  return given;
}

std::optional<std::string> state_directory_at_home() {
  auto home = environment("XDG_STATE_HOME");
  if (home.empty() && !environment("HOME").empty()) home = environment("HOME") + "/.local/state";
  return home.starts_with('/') ? std::optional(home + "/pgcurfew") : std::nullopt;
}

/// Whether the directory can be written to, or made.
bool is_creatable(std::string path) {
  while (access(path.c_str(), F_OK) != 0 && path.find('/', 1) != std::string::npos)
    path.resize(path.rfind('/'));
  return is_usable(path);
}

}  // namespace

std::optional<std::string> find_state_directory(std::string_view suffix, IfAbsent absent) {
  const auto given = given_state_directory();
  const auto usual = given.empty() ? std::string(kUsualDirectory) : given;
  if (is_usable(usual) || (given.empty() ? holds_files(usual, suffix) : is_readable(usual))) return usual;
  // a user who names a directory would look for the journal of gates nowhere else
  const auto own = given.empty() ? state_directory_at_home() : std::nullopt;
  if (!own) return std::nullopt;
  if (absent == IfAbsent::kCreate) make_directories(*own);
  return is_usable(*own) ? own : std::nullopt;
}

Result<void> check_state_directory() {
  const auto given = given_state_directory();
  const auto usual = given.empty() ? std::string(kUsualDirectory) : given;
  if (is_usable(usual)) return check_space(usual);
  if (!given.empty()) return system_error("write to the state directory", given);
  const auto own = state_directory_at_home();
  if (own && is_creatable(*own)) return {};
  return failure(fmt::format("neither {} nor a directory at home can be written to", kUsualDirectory), {},
                 "Run this as the user of the service, or set STATE_DIRECTORY.");
}

Result<void> StateFiles::find() {
  if (!directory_.empty()) return {};
  auto found = find_state_directory(suffix_);
  if (!found) {
    return failure(
        "there is no directory for the journal of gates", "It stores which gates have to be opened again.",
        "Set STATE_DIRECTORY to a directory that pgcurfew may write to, or let it set marks in the "
        "server with what \"pgcurfew setup-sql\" prints.");
  }
  directory_ = std::move(*found);
  return {};
}

std::string StateFiles::path_of(const std::string& name) const {
  return directory_ + '/' + name;
}

Result<std::vector<std::string>> StateFiles::list(std::string_view suffix) const {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(directory_.c_str()), closedir);
  if (!directory) return system_error("read", directory_);
  std::vector<std::string> names;
  while (const auto* file = readdir(directory.get())) {
    std::string name = file->d_name;
    if (name.ends_with(suffix)) names.push_back(std::move(name));
  }
  return names;
}

Result<std::optional<std::string>> StateFiles::read(const std::string& name) const {
  return read_small_file(path_of(name));
}

Result<void> StateFiles::write(const std::string& name, std::string_view text) {
  const auto path = path_of(name);
  const auto new_path = path + std::string(kNewSuffix);
  {
    const Descriptor file(open(new_path.c_str(), O_WRONLY | O_CREAT | kCarefully, 0600));
    if (!file.is_open()) return system_error("create", new_path);
    if (auto checked = check_own(file.number(), new_path); !checked) return checked;
    // files that a crash has left there are of no use
    if (ftruncate(file.number(), 0) != 0) return system_error("write", new_path);
    give_to_owner_of(directory_, file.number());
    if (!write_all(file.number(), text) || fsync(file.number()) != 0) {
      auto error = system_error("write", new_path);
      unlink(new_path.c_str());
      return error;
    }
  }
  if (rename(new_path.c_str(), path.c_str()) != 0) return system_error("create", path);
  return sync_directory(directory_);
}

Result<void> StateFiles::remove(const std::string& name) {
  const auto path = path_of(name);
  if (unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return system_error("remove", path);
  }
  return sync_directory(directory_);
}

}  // namespace pgcurfew
