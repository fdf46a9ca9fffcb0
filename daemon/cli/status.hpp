#pragma once

#include <optional>
#include <string>

namespace pgcurfew {

struct StatusOptions {
  std::string configuration;  ///< the main file, for `web: { listen: ... }`
  std::string listen;         ///< the address instead; empty: that of the main file
  bool json = false;
};

/// `pgcurfew status`: prints what the running daemon knows and does. *Errors*: 64 for an address that cannot
/// be read; 66 if the main file has no `web`; 69 if no daemon answers; 78 if the files have errors.
int show_status(const StatusOptions& options);

/// The lines of `pgcurfew status`, from the daemon's answer (report/status_json.hpp). Texts of clients go
/// through printable().
/// *Errors*: it is not such an answer.
std::optional<std::string> status_lines(const std::string& answer);

}  // namespace pgcurfew
