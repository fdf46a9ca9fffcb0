#pragma once

#include <cstdint>
#include <string>

#include "base/time.hpp"

namespace pgcurfew {

/// Facts about a server and our role there, read when the connection was made.
struct ServerFacts {
  int version_num = 0;  ///< 150020
  std::string version;  ///< `15.20`
  std::int32_t backend_pid = 0;
  ServerTime postmaster_start{};
  int connection_slots = 0;  ///< max_connections without the reserved ones
  bool in_recovery = false;
  std::string role;
  bool can_read_all_stats = false;
  bool can_signal = false;          ///< sessions of all roles that are not superusers
  bool can_signal_members = false;  ///< sessions of at least one other role, because ours is a member of it
  bool is_superuser = false;

  /// Whether only sessions of our own role can be signalled.
  [[nodiscard]] bool lacks_signal() const { return !can_signal && !can_signal_members; }
};

}  // namespace pgcurfew
