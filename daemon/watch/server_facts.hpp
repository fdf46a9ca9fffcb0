#pragma once

#include <cstdint>
#include <string>

#include "base/time.hpp"

namespace pgcurfew {

/// What a server told of itself and of us when the connection was made.
struct ServerFacts {
  int version_num = 0;  ///< 150020
  std::string version;  ///< `15.20`
  std::int32_t backend_pid = 0;
  ServerTime postmaster_start{};
  int connection_slots = 0;  ///< max_connections without those that are reserved
  bool in_recovery = false;
  std::string role;
  bool can_read_all_stats = false;
  bool can_signal = false;          ///< sessions of every role that is no superuser
  bool can_signal_members = false;  ///< those of another role at least, because ours is a member of it
  bool is_superuser = false;

  /// Whether only sessions of our own role can be signalled.
  [[nodiscard]] bool lacks_signal() const { return !can_signal && !can_signal_members; }
};

}  // namespace pgcurfew
