#pragma once

#include <memory>
#include <string>

#include "base/listen_address.hpp"
#include "base/result.hpp"
#include "system/careful_files.hpp"

namespace pgcurfew {

/// A socket that listens at an address of this machine.
class ListeningSocket {
 public:
  /// A Unix-domain socket can be used by its owner and its group. One that a process has left behind is
  /// replaced; a last part of the path that is a link is not followed.
  /// *Errors*: the system's; another process listens there; the path has something that is not a socket.
  static Result<std::unique_ptr<ListeningSocket>> open(const ListenAddress& address);

  /// Removes the socket's file, if it is still the one.
  ~ListeningSocket();
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  /// The descriptor, which the caller has to close from now on.
  int take();
  /// No longer listens there, and removes the socket's file, if it is still the one. To be called after
  /// give_back(); for whoever still uses the descriptor it stays the same one.
  void stop_listening();
  /// The descriptor belongs to this object again.
  void give_back(int descriptor) { descriptor_ = descriptor; }

 private:
  explicit ListeningSocket(int descriptor) : descriptor_(descriptor) {}
  Result<void> bind_unix(const std::string& path);
  void remove_file();

  int descriptor_;
  std::unique_ptr<Descriptor> directory_;  ///< of a Unix-domain socket
  std::string name_;                       ///< in it
  unsigned long file_ = 0;                 ///< its number in the file system
};

/// Whether open() would work now, as far as can be told without listening; changes nothing.
/// *Errors*: as those of open().
Result<void> check_free(const ListenAddress& address);

}  // namespace pgcurfew
