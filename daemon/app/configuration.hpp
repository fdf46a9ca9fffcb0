#pragma once

#include <string>
#include <vector>

#include "policy/reader/load.hpp"

namespace pgcurfew {

inline constexpr const char* kDefaultConfiguration = "/etc/pgcurfew/pgcurfew.yaml";

/// Reads the main file and `policies.d/*.yaml` beside it, in the order of their names, and checks everything:
/// the files, whether libpq can parse each conninfo, and, by this machine's clock, whether drains overlap.
LoadResult read_configuration(const std::string& path);

/// Reads one file as `check` does: the main file with its drop-ins, or a drop-in on its own.
LoadResult read_any(const std::string& path);

/// Turns a policy into a rehearsal, whatever its files say.
void make_dry(Policy& policy);

}  // namespace pgcurfew
