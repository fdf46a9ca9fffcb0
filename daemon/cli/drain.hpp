#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace pgcurfew {

struct DrainOptions {
  std::string configuration;
  std::string server;                  ///< its name; may be empty if there is but one
  std::vector<std::string> databases;  ///< letter for letter
  std::string duration;                ///< as the files write durations, all of them
  std::string wait = "30s";
  std::string grace = "20s";  ///< between cancel and terminate
  std::string give_up;        ///< empty: at the end of the window
  std::string gate = "connection-limit";
  std::string pooler_conninfo;
  std::vector<std::string> pools;   ///< of PgBouncer's, letter for letter
  std::vector<std::string> except;  ///< `user=maintenance`
  bool leaves_latecomers = false;
  bool exits_when_empty = false;
  bool dry_run = false;
  std::vector<std::string> command;
};

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
