#pragma once

#include <optional>
#include <string>

namespace pgcurfew {

struct HistoryOptions {
  std::string since;  ///< as it was written; empty: a day ago, for a summary two weeks
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
  bool gates = false;     ///< what was done to gates, instead of decisions about sessions
  bool json = false;
  bool summary = false;  ///< sum up, rule by rule
  bool html = false;     ///< the summary as an HTML page
};

}  // namespace pgcurfew
