#include "system/journal.hpp"

#include <array>
#include <cerrno>
#include <charconv>
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

namespace pgcurfew {

namespace {

constexpr std::string_view kFirstLine = "pgcurfew gate 2";
/// Of an entry that names neither cluster nor oid: what pgcurfew of old wrote.
constexpr std::string_view kOldFirstLine = "pgcurfew gate 1";
constexpr std::string_view kLastLine = "end";
constexpr std::string_view kSuffix = ".gate";
constexpr std::string_view kNewSuffix = ".new";
constexpr std::size_t kLongestFile = 65536;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }

 private:
  int number_;
};

tl::unexpected<Error> system_error(std::string_view what, const std::string& path) {
  return failure(fmt::format("could not {} {}: {}", what, path, std::strerror(errno)));
}

/// One line of it: no newline, no NUL, no doubt about where it ends.
std::string escaped(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || c == '\\') {
      text += fmt::format("\\{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text;
}

std::optional<int> digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return std::nullopt;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = digit_of(text[i + 1]);
    const auto low = digit_of(text[i + 2]);
    if (!high || !low) return std::nullopt;
    bytes += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return bytes;
}

/// No name of a database of PgBouncer's holds a newline: they stand in its file, each on a line.
std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += name + '\n';
  return text;
}

std::vector<std::string> parted(std::string_view text) {
  std::vector<std::string> names;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    names.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return names;
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

/// How a file of ours is opened: what somebody else has put in its place, a pipe for instance, must not hold
/// us up, and is not followed.
constexpr int kCarefully = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

/// *Errors*: it is a pipe, a directory, a device: no file that we could have made.
Result<void> check_regular(int descriptor, const std::string& path) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return system_error("open", path);
  if (!S_ISREG(status.st_mode)) return failure(fmt::format("{} is no regular file", path));
  return {};
}

Result<std::string> read_all(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | kCarefully));
  if (!file.is_open()) return system_error("open", path);
  if (const auto checked = check_regular(file.number(), path); !checked)
    return tl::make_unexpected(checked.error());
  std::string text;
  std::array<char, 4096> buffer{};
  while (text.size() <= kLongestFile) {
    const auto count = ::read(file.number(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("read", path);
    if (count == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

/// A new name, or one that is gone, lasts only once the directory does.
Result<void> sync_directory(const std::string& directory) {
  const Descriptor opened(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open()) return system_error("open", directory);
  if (fsync(opened.number()) != 0) return system_error("write", directory);
  return {};
}

/// Root writes for whoever owns the directory: the service has to find it.
void give_to_owner_of(const std::string& directory, int file) {
  struct stat status {};
  if (geteuid() != 0 || stat(directory.c_str(), &status) != 0) return;
  // where a file system knows no owners there is nothing to give
  [[maybe_unused]] const int given = fchown(file, status.st_uid, status.st_gid);
}

bool is_readable(const std::string& directory) {
  struct stat status {};
  return stat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
         access(directory.c_str(), R_OK | X_OK) == 0;
}

bool is_usable(const std::string& directory) {
  return is_readable(directory) && access(directory.c_str(), W_OK) == 0;
}

/// Whether there is something to give back that we can read, be it that we cannot remove it.
bool holds_gates(const std::string& directory) {
  if (!is_readable(directory)) return false;
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(opendir(directory.c_str()), closedir);
  if (!opened) return false;
  while (const auto* file = readdir(opened.get())) {
    const std::string name = file->d_name;
    const auto path = fmt::format("{}/{}", directory, name);
    if (name.ends_with(kSuffix) && access(path.c_str(), R_OK) == 0) return true;
  }
  return false;
}

bool make_directories(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const auto part = path.substr(0, end);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return false;
    if (end == std::string::npos) return true;
  }
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string_view name_of(JournalState state) {
  constexpr std::array<std::string_view, 3> kNames{"closing", "closed", "opening"};
  return kNames.at(static_cast<std::size_t>(state));
}

Result<std::string> find_state_directory() {
  auto given = environment("STATE_DIRECTORY");
  given.resize(std::min(given.size(), given.find(':')));
  const auto usual = given.empty() ? std::string("/var/lib/pgcurfew") : given;
  if (is_usable(usual) || (given.empty() ? holds_gates(usual) : is_readable(usual))) return usual;
  auto home = environment("XDG_STATE_HOME");
  if (home.empty() && !environment("HOME").empty()) home = environment("HOME") + "/.local/state";
  // who names a directory would look for the journal nowhere else
  if (given.empty() && home.starts_with('/')) {
    auto candidate = home + "/pgcurfew";
    if (make_directories(candidate) && is_usable(candidate)) return candidate;
  }
  return failure("there is no directory for the journal", "It holds what has to be given back.",
                 "Set STATE_DIRECTORY to a directory that pgcurfew may write to, or let it set marks in the "
                 "server with what \"pgcurfew setup-sql\" prints.");
}

std::string journal_text(const JournalEntry& entry) {
  return fmt::format(
      "{}\nserver={}\nsystem_identifier={}\ndatabase={}\noid={}\nkind={}\nstate={}\nmark={}\n"
      "pooler_conninfo={}\npooler_gate={}\npools={}\n{}\n",
      kFirstLine, escaped(entry.server), escaped(entry.system_identifier), escaped(entry.database), entry.oid,
      escaped(entry.kind), name_of(entry.state), escaped(entry.mark), escaped(entry.pgbouncer_conninfo),
      escaped(entry.pgbouncer_gate), escaped(joined(entry.pools)), kLastLine);
}

Result<JournalEntry> parse_journal_text(std::string_view text) {
  const auto take_line = [&text]() -> std::optional<std::string_view> {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
  };
  const auto first_line = take_line();
  const bool is_old = first_line == kOldFirstLine;
  if (!is_old && first_line != kFirstLine)
    return failure("it does not begin as a gate of pgcurfew's journal does");
  JournalEntry entry;
  std::string oid;
  std::string pools;
  std::string state;
  for (const auto& [key, value] : {std::pair<std::string_view, std::string*>("server=", &entry.server),
                                   {"system_identifier=", &entry.system_identifier},
                                   {"database=", &entry.database},
                                   {"oid=", &oid},
                                   {"kind=", &entry.kind},
                                   {"state=", &state},
                                   {"mark=", &entry.mark},
                                   {"pooler_conninfo=", &entry.pgbouncer_conninfo},
                                   {"pooler_gate=", &entry.pgbouncer_gate},
                                   {"pools=", &pools}}) {
    if (is_old && (value == &entry.system_identifier || value == &oid || value == &pools)) continue;
    const auto line = take_line();
    auto bytes = line && line->starts_with(key) ? unescaped(line->substr(key.size())) : std::nullopt;
    if (!bytes) return failure(fmt::format("its line \"{}\" is missing or damaged", key));
    *value = std::move(*bytes);
  }
  if (take_line() != kLastLine || !text.empty()) return failure("its end is missing or damaged");
  const auto read = std::from_chars(oid.data(), oid.data() + oid.size(), entry.oid);
  if (!is_old && (read.ec != std::errc() || read.ptr != oid.data() + oid.size()))
    return failure("its oid is no number");
  entry.pools = parted(pools);
  for (const auto known : {JournalState::kClosing, JournalState::kClosed, JournalState::kOpening}) {
    if (state != name_of(known)) continue;
    entry.state = known;
    return entry;
  }
  return failure("its state is unknown");
}

std::string Journal::path_of(const JournalEntry& entry) const {
  // a database's name can hold any byte but NUL; a server's and a kind's are words of the policy, without `@`
  std::string id;
  for (const char c : entry.database) id += fmt::format("{:02x}", static_cast<unsigned char>(c));
  if (entry.oid != 0) id = fmt::format("oid-{}", entry.oid);
  const auto cluster = entry.system_identifier.empty() ? "" : "@" + entry.system_identifier;
  return fmt::format("{}/{}{}.{}.{}{}", directory_, entry.server, cluster, id, entry.kind, kSuffix);
}

Result<void> Journal::write(const JournalEntry& entry) const {
  const auto path = path_of(entry);
  const auto new_path = path + std::string(kNewSuffix);
  {
    const Descriptor file(open(new_path.c_str(), O_WRONLY | O_CREAT | kCarefully, 0600));
    if (!file.is_open()) return system_error("create", new_path);
    if (auto checked = check_regular(file.number(), new_path); !checked) return checked;
    // what a crash has left there is of nobody's use
    if (ftruncate(file.number(), 0) != 0) return system_error("write", new_path);
    give_to_owner_of(directory_, file.number());
    if (!write_all(file.number(), journal_text(entry)) || fsync(file.number()) != 0) {
      auto error = system_error("write", new_path);
      unlink(new_path.c_str());
      return error;
    }
  }
  if (rename(new_path.c_str(), path.c_str()) != 0) return system_error("create", path);
  return sync_directory(directory_);
}

Result<void> Journal::remove(const JournalEntry& entry) const {
  const auto path = path_of(entry);
  if (unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return system_error("remove", path);
  }
  return sync_directory(directory_);
}

Result<JournalEntry> Journal::read_file(const std::string& path) const {
  const auto text = read_all(path);
  if (!text) return tl::make_unexpected(text.error());
  auto entry = parse_journal_text(*text);
  if (entry && path_of(*entry) == path) return entry;
  return failure(fmt::format("the journal's file {} is damaged", path),
                 entry ? "It is about another gate than its name says." : entry.error().message,
                 "Compare the database's connection limit with what it should be, then remove the file.");
}

Result<std::optional<JournalEntry>> Journal::find(const JournalEntry& entry) const {
  const auto path = path_of(entry);
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0 && errno == ENOENT) return std::optional<JournalEntry>();
  auto found = read_file(path);
  if (!found) return tl::make_unexpected(found.error());
  return std::optional(std::move(*found));
}

Result<Journal::Contents> Journal::read() const {
  Contents contents;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(directory_.c_str()), closedir);
  if (!directory) return system_error("read", directory_);
  while (const auto* file = readdir(directory.get())) {
    const std::string name = file->d_name;
    if (!name.ends_with(kSuffix)) continue;
    auto entry = read_file(directory_ + '/' + name);
    if (entry) {
      contents.entries.push_back(std::move(*entry));
    } else {
      contents.damaged.push_back(entry.error());
    }
  }
  return contents;
}

}  // namespace pgcurfew
