#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "simulation/server.hpp"

namespace pgcurfew::simulation {

/// What holds for every world of a run.
struct Settings {
  GuardHoles holes;
  std::string part;
  bool is_late = false;
  bool is_quiet = false;
  bool says_decisions = false;  ///< of each world: how many, and a hash of them
  bool drains_only = false;
  bool rivals_only = false;
  bool keeper_only = false;
  std::string again;  ///< what draws the same worlds once more, to stand behind a seed
};

struct SeedRange {
  std::uint64_t first = 1;
  std::uint64_t last = 0;
};

/// What pgcurfew_sim is asked for on its command line.
struct Options {
  Settings settings;
  std::optional<std::uint64_t> seed;
  bool trace = false;
  bool no_faults = false;
  bool dry = false;
  std::vector<std::uint64_t> first;
  std::optional<SeedRange> seeds;
  std::optional<double> run_seconds;
  std::uint64_t start = 1;
  std::uint64_t most_failures = 1;
};

/// Reads the command line.
/// *Errors*: none come back; what is wrong with it, and its help, are printed, and the process ends.
Options read_options(int argc, const char* const* argv);

}  // namespace pgcurfew::simulation
