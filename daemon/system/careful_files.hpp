#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <tl/expected.hpp>

#include "base/result.hpp"

namespace pgcurfew {

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }

 private:
  int number_;
};

/// The flags for opening one of our files: another object in its place, such as a pipe, must not block us,
/// and links are not followed.
inline constexpr int kCarefully = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

/// An error with the system's reason (errno): `could not open /a/b: No such file or directory`.
tl::unexpected<Error> system_error(std::string_view what, const std::string& path);

/// *Errors*: the file is a pipe, a directory or a device, and not a file that we could have created.
Result<void> check_regular(int descriptor, const std::string& path);

/// For a file that is changed in its place. *Errors*: as check_regular(); we are root, and it has a second
/// name: whoever owns the directory may have put another user's file there.
Result<void> check_own(int descriptor, const std::string& path);

/// The bytes of one of our files, no link; empty if there is none.
/// *Errors*: the system's; not a regular file; longer than 64 kB.
Result<std::optional<std::string>> read_small_file(const std::string& path);

enum class Secrecy { kPublic, kSecret };

/// The bytes of a file that the user has named; links are followed.
/// *Errors*: as read_small_file(), and if there is none; a secret one on which others have any permission.
Result<std::string> read_users_file(const std::string& path, Secrecy secrecy);

/// Whether all bytes were written; otherwise errno says why.
bool write_all(int descriptor, std::string_view bytes);

/// A new or removed name is durable only once the directory is.
/// *Errors*: the system's.
Result<void> sync_directory(const std::string& directory);

/// Whether files in the directory can grow. *Errors*: its file system is full, or nearly: it has less than 1
/// MB left for this user; the system's.
Result<void> check_space(const std::string& directory);

/// Root gives new files to the directory's owner, so that the service can use them.
void give_to_owner_of(const std::string& directory, int file);

}  // namespace pgcurfew
