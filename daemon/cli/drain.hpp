#pragma once

#include <string>
#include <vector>

#include "cli/drain_options.hpp"

namespace pgcurfew {

/// `pgcurfew drain`: empties databases now, keeps them empty while it shows how it goes, and gives them back.
/// *Errors*: 64, 69, 75 (not empty in time), 77, 78; 130 if interrupted; a command's own status.
int drain_now(const DrainOptions& options);

struct ReopenOptions {
  std::string configuration;
  std::string server;                  ///< empty: all
  std::vector<std::string> databases;  ///< empty: all that bear a mark
};

/// `pgcurfew reopen`: gives databases back whose gate pgcurfew has closed.
/// *Errors*: 64, 66 (no mark of pgcurfew there), 69, 77, 78.
int reopen_now(const ReopenOptions& options);

}  // namespace pgcurfew
