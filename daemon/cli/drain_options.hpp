#pragma once

#include <string>
#include <vector>

namespace pgcurfew {

struct DrainOptions {
  std::string configuration;
  std::string server;                  ///< its name; may be empty if there is only one
  std::vector<std::string> databases;  ///< letter for letter
  std::string duration;                ///< this and the others as durations are written in the files
  std::string wait = "30s";
  std::string grace = "20s";  ///< between cancel and terminate
  std::string give_up;        ///< empty: at the end of the window
  std::string gate = "connection-limit";
  std::string pgbouncer_conninfo;
  std::vector<std::string> pools;   ///< of PgBouncer, letter for letter
  std::vector<std::string> except;  ///< `user=maintenance`
  bool leaves_latecomers = false;
  bool exits_when_empty = false;
  bool dry_run = false;
  std::vector<std::string> command;
};

}  // namespace pgcurfew
