#pragma once

#include <string>
#include <vector>

#include "cli/drain_options.hpp"

namespace pgcurfew {

/// `pgcurfew drain`: empties databases now, keeps them empty, shows its progress, and opens them again.
/// *Errors*: 64, 69, 75 (not empty in time), 77, 78; 130 if interrupted; a command's own status.
int drain_now(const DrainOptions& options);

struct ReopenOptions {
  std::string configuration;
  std::string server;                  ///< empty: all
  std::vector<std::string> databases;  ///< empty: all with a mark
};

/// `pgcurfew reopen`: opens databases whose gate pgcurfew has closed.
/// *Errors*: 64, 66 (no mark of pgcurfew there), 69, 77, 78.
int reopen_now(const ReopenOptions& options);

}  // namespace pgcurfew
