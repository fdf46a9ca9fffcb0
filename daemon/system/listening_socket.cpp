#include "system/listening_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace pgcurfew {

namespace {

constexpr int kBacklog = 64;
constexpr mode_t kSocketMode = 0660;

/// The name of a file in an open directory, short enough for an address.
sockaddr_un address_in(int directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto path = fmt::format("/proc/self/fd/{}/{}", directory, name);
  std::copy_n(path.begin(), std::min(path.size(), sizeof address.sun_path - 1), address.sun_path);
  return address;
}

const sockaddr* generic(const void* address) {
  return static_cast<const sockaddr*>(address);
}

int new_socket(int family) {
  return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

Result<void> bind_tcp(int descriptor, const ListenAddress& address) {
  const int yes = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  int bound = -1;
  if (address.address.is_v6) {
    sockaddr_in6 where{};
    where.sin6_family = AF_INET6;
    where.sin6_port = htons(address.port);
    std::memcpy(&where.sin6_addr, address.address.bytes.data(), sizeof where.sin6_addr);
    bound = bind(descriptor, generic(&where), sizeof where);
  } else {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(address.port);
    std::memcpy(&where.sin_addr, address.address.bytes.data(), sizeof where.sin_addr);
    bound = bind(descriptor, generic(&where), sizeof where);
  }
  if (bound != 0 && errno == EADDRINUSE)
    return failure(fmt::format("another process listens on {}", to_text(address)));
  if (bound != 0) return system_error("listen on", to_text(address));
  return {};
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string last_part_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

/// *Errors*: the name is too long for an address.
Result<void> check_name(int directory, const std::string& name, const std::string& path) {
  if (name.size() + 32 > sizeof address_in(directory, name).sun_path)
    return failure(fmt::format("the name of the socket {} is too long", path));
  return {};
}

/// Whether what has the name is a socket that no process listens on.
/// *Errors*: it is not a socket, or a process listens.
Result<void> check_left_behind(int directory, const std::string& name, const std::string& path) {
  struct stat status {};
  if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return system_error("open", path);
  if (!S_ISSOCK(status.st_mode)) return failure(fmt::format("{} is not a socket", path));
  const Descriptor probe(new_socket(AF_UNIX));
  const auto address = address_in(directory, name);
  if (connect(probe.number(), generic(&address), sizeof address) == 0 || errno == EAGAIN)
    return failure(fmt::format("another process listens on {}", path));
  if (errno != ECONNREFUSED) return system_error("replace", path);
  return {};
}

/// Whatever the umask; through a descriptor, so that nothing else gets the mode if the name is replaced.
/// Returns the file's number.
Result<ino_t> set_mode(int directory, const std::string& name, const std::string& path) {
  const Descriptor file(openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!file.is_open() || fstat(file.number(), &status) != 0) return system_error("open", path);
  if (!S_ISSOCK(status.st_mode)) return failure(fmt::format("{} is not a socket", path));
  if (chmod(fmt::format("/proc/self/fd/{}", file.number()).c_str(), kSocketMode) != 0)
    return system_error("change the mode of", path);
  return status.st_ino;
}

}  // namespace

Result<std::unique_ptr<ListeningSocket>> ListeningSocket::open(const ListenAddress& address) {
  const auto where = to_text(address);
  const int descriptor = new_socket(address.is_unix() ? AF_UNIX : address.address.is_v6 ? AF_INET6 : AF_INET);
  if (descriptor < 0) return system_error("make a socket for", where);
  std::unique_ptr<ListeningSocket> socket(new ListeningSocket(descriptor));
  const auto bound =
      address.is_unix() ? socket->bind_unix(address.path) : bind_tcp(socket->descriptor_, address);
  if (!bound) return tl::unexpected(bound.error());
  if (listen(descriptor, kBacklog) != 0) return system_error("listen on", where);
  return socket;
}

Result<void> ListeningSocket::bind_unix(const std::string& path) {
  const auto directory = directory_of(path);
  directory_ =
      std::make_unique<Descriptor>(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory_->is_open()) return system_error("open the directory", directory);
  const auto name = last_part_of(path);
  if (auto fits = check_name(directory_->number(), name, path); !fits) return fits;
  const auto address = address_in(directory_->number(), name);
  // no client may connect before the mode is set
  fchmod(descriptor_, 0600);
  if (bind(descriptor_, generic(&address), sizeof address) != 0) {
    if (errno != EADDRINUSE) return system_error("make the socket", path);
    if (auto checked = check_left_behind(directory_->number(), name, path); !checked) return checked;
    if (unlinkat(directory_->number(), name.c_str(), 0) != 0) return system_error("remove", path);
    if (bind(descriptor_, generic(&address), sizeof address) != 0)
      return system_error("make the socket", path);
  }
  const auto file = set_mode(directory_->number(), name, path);
  if (!file) return tl::unexpected(file.error());
  name_ = name;
  file_ = *file;
  return {};
}

ListeningSocket::~ListeningSocket() {
  if (descriptor_ >= 0) close(descriptor_);
  remove_file();
}

void ListeningSocket::stop_listening() {
  shutdown(descriptor_, SHUT_RDWR);
  remove_file();
}

void ListeningSocket::remove_file() {
  if (name_.empty()) return;
  struct stat status {};
  const bool is_ours = fstatat(directory_->number(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                       status.st_ino == file_;
  if (is_ours) unlinkat(directory_->number(), name_.c_str(), 0);
}

Result<void> check_free(const ListenAddress& address) {
  if (!address.is_unix()) {
    const Descriptor descriptor(new_socket(address.address.is_v6 ? AF_INET6 : AF_INET));
    if (!descriptor.is_open()) return system_error("make a socket for", to_text(address));
    return bind_tcp(descriptor.number(), address);
  }
  const auto directory = directory_of(address.path);
  const Descriptor opened(open(directory.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!opened.is_open()) return system_error("open the directory", directory);
  if (faccessat(opened.number(), ".", W_OK | X_OK, AT_EACCESS) != 0)
    return system_error("create files in", directory);
  const auto name = last_part_of(address.path);
  if (auto fits = check_name(opened.number(), name, address.path); !fits) return fits;
  struct stat status {};
  if (fstatat(opened.number(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return system_error("open", address.path);
  }
  return check_left_behind(opened.number(), name, address.path);
}

int ListeningSocket::take() {
  return std::exchange(descriptor_, -1);
}

}  // namespace pgcurfew
