#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "simulation/server.hpp"

namespace pgcurfew::simulation {

/// Settings for all worlds of a run.
struct Settings {
  GuardHoles holes;
  std::string part;
  bool is_late = false;
  bool is_quiet = false;
  bool says_decisions = false;  ///< prints the number of decisions of each world, and a hash of them
  bool drains_only = false;
  bool rivals_only = false;
  bool keeper_only = false;
  std::string again;  ///< options that draw the same worlds again, printed after a seed
};

struct SeedRange {
  std::uint64_t first = 1;
  std::uint64_t last = 0;
};

/// The command line of pgcurfew_sim.
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
/// *Errors*: none are returned; errors and help are printed, and the process ends.
Options read_options(int argc, const char* const* argv);

}  // namespace pgcurfew::simulation
