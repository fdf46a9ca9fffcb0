#pragma once

#include <optional>
#include <string>

namespace pgcurfew {

struct HistoryOptions {
  std::string since;  ///< as it was written; empty: a day ago
  std::string until;  ///< likewise; empty: now
  std::string server;
  std::string rule;
  std::string drain;
  std::optional<int> pid;
  std::string user;
  std::string database;
  std::string outcome;    ///< an outcome or an end
  std::string decision;   ///< tell the story of this one
  std::string directory;  ///< with the record; empty: the state directory
  bool json = false;
};

/// `pgcurfew history`: prints what was decided, from the record. *Errors*: 64 for a time that cannot be read;
/// 66 if there is no record, or no such decision; 77 if it may not be read.
int show_history(const HistoryOptions& options);

}  // namespace pgcurfew
