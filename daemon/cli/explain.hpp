#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace pgcurfew {

struct ExplainOptions {
  std::string configuration;
  std::optional<std::int32_t> pid;  ///< everything about this session, instead of one line per session
  bool json = false;
};

/// `pgcurfew explain`: takes one look at every server and signals no session.
/// *Errors*: 78 for the files, 69 if a server is out of reach, 77 if a privilege is missing there, 66 if no
/// server has the pid.
int explain_sessions(const ExplainOptions& options);

}  // namespace pgcurfew
