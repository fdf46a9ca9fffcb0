// Drives the production engine through simulated worlds and says what law it breaks.

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "simulation/drain_world.hpp"
#include "simulation/world.hpp"

namespace pgcurfew::simulation {
namespace {

struct Totals {
  std::uint64_t worlds = 0;
  Duration virtual_time{};
  Tally tally;
  std::uint64_t drain_worlds = 0;
  DrainTally drains;

  void add(const DrainWorld& world) {
    ++drain_worlds;
    const auto& more = world.tally();
    drains.closings += more.closings;
    drains.openings += more.openings;
    drains.foreign += more.foreign;
    drains.signals += more.signals;
    drains.emptied += more.emptied;
    add_common(world);
  }
  void add(const World& world) { add_common(world); }

 private:
  template <class AnyWorld>
  void add_common(const AnyWorld& world) {
    ++worlds;
    virtual_time += world.site().agenda.now();
    const auto& more = world.checks().tally();
    tally.turns += more.turns;
    tally.looks += more.looks;
    tally.orders += more.orders;
    tally.signals += more.signals;
    tally.spared += more.spared;
    for (const auto& [part, count] : more.parts) tally.parts[part] += count;
  }
};

struct Settings {
  GuardHoles holes;
  std::string part;
  bool is_late = false;
  bool is_quiet = false;
  bool drains_only = false;
};

template <class AnyWorld>
void report(const AnyWorld& world, const WorldOptions& options, const Violation& violation) {
  fmt::print("seed {}: checker {}: at {:.6f} s: {}\n", options.seed, violation.checker,
             static_cast<double>(world.site().agenda.now().count()) / 1e6, violation.what());
}

/// Runs the same world again with its text kept, and prints the end of it.
template <class AnyWorld>
void print_last_lines(WorldOptions options) {
  options.text = Trace::Text::kLast;
  AnyWorld world(options);
  try {
    world.run();
  } catch (const Violation&) {
    fmt::print("{}--- last lines of the trace (all of them: --seed {} --trace)\n", world.policy_text(),
               options.seed);
    for (const auto& line : world.site().trace.last()) fmt::print("{}\n", line);
  }
}

/// False if a law was broken.
template <class AnyWorld>
bool run_world(const WorldOptions& options, const Settings& settings, Totals& totals,
               std::optional<std::uint64_t>* hash = nullptr) {
  AnyWorld world(options);
  try {
    world.run();
  } catch (const Violation& violation) {
    report(world, options, violation);
    if (options.text == Trace::Text::kNone && !settings.is_quiet) print_last_lines<AnyWorld>(options);
    return false;
  }
  totals.add(world);
  if (hash != nullptr) *hash = world.site().trace.hash();
  return true;
}

/// The same seed gives the same trace.
template <class AnyWorld>
bool run_twice(const WorldOptions& options, const Settings& settings, Totals& totals) {
  std::optional<std::uint64_t> first;
  std::optional<std::uint64_t> second;
  if (!run_world<AnyWorld>(options, settings, totals, &first) ||
      !run_world<AnyWorld>(options, settings, totals, &second)) {
    return false;
  }
  if (first == second) return true;
  fmt::print("seed {}: checker same-trace: two runs differ\n", options.seed);
  return false;
}

/// A dry run orders what the enforcing run orders, up to the first effect of the latter.
bool run_dry_twin(WorldOptions options, Totals& totals) {
  options.no_faults = true;
  options.force_enforce = true;
  World real(options);
  options.force_dry = true;
  World dry(options);
  try {
    real.run();
    dry.run();
  } catch (const Violation& violation) {
    report(real, options, violation);
    return false;
  }
  totals.add(real);
  totals.add(dry);
  const auto& expected = real.checks().first_orders();
  const auto& found = dry.checks().first_orders();
  const auto count = std::min(expected.size(), found.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (i < count && expected[i] == found[i]) continue;
    fmt::print("seed {}: checker dry-twin: enforcing orders [{}], the dry run [{}]\n", options.seed,
               expected[i], i < count ? found[i] : "nothing");
    return false;
  }
  return true;
}

WorldOptions options_for(std::uint64_t seed, const Settings& settings) {
  WorldOptions options;
  options.seed = seed;
  options.holes = settings.holes;
  options.part = settings.part;
  options.is_late = settings.is_late;
  return options;
}

bool run_seed(std::uint64_t seed, const Settings& settings, Totals& totals) {
  const auto options = options_for(seed, settings);
  if (settings.drains_only || seed % 4 == 2) {
    if (seed % 32 == 2 && !run_twice<DrainWorld>(options, settings, totals)) return false;
    if (!run_world<DrainWorld>(options, settings, totals)) return false;
    if (settings.drains_only) return true;
  }
  if (seed % 16 == 3) return run_twice<World>(options, settings, totals);
  if (seed % 16 == 5 && !run_dry_twin(options, totals)) return false;
  return run_world<World>(options, settings, totals);
}

std::vector<std::uint64_t> read_seeds(const std::string& path) {
  std::vector<std::uint64_t> seeds;
  std::ifstream file(path);
  if (!file) throw CLI::ValidationError("--first", "cannot read " + path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::uint64_t seed = 0;
    if (words >> seed) seeds.push_back(seed);
  }
  return seeds;
}

void print_summary(const Totals& totals, std::uint64_t failed) {
  const auto& tally = totals.tally;
  fmt::print(
      "{} worlds, {:.1f} virtual hours: {} turns, {} looks, {} orders, {} signals, {} spared; {} failed\n",
      totals.worlds, static_cast<double>(totals.virtual_time.count()) / 3.6e9, tally.turns, tally.looks,
      tally.orders, tally.signals, tally.spared, failed);
  std::string parts;
  for (const auto& [part, count] : tally.parts) parts += fmt::format(" {} {}", part, count);
  fmt::print("steps of rules with:{}\n", parts);
  const auto& drains = totals.drains;
  fmt::print(
      "{} worlds with drains: {} gates closed, {} opened, {} left to others, {} signals, {} times empty\n",
      totals.drain_worlds, drains.closings, drains.openings, drains.foreign, drains.signals, drains.emptied);
}

int run(int argc, char** argv) {
  CLI::App app("Drives the production engine through simulated worlds and says which law it breaks.");
  std::optional<std::uint64_t> seed;
  std::string range;
  std::string first;
  std::optional<double> run_seconds;
  std::uint64_t start = 1;
  std::uint64_t most_failures = 1;
  bool trace = false;
  bool no_faults = false;
  bool dry = false;
  std::vector<std::string> holes;
  Settings settings;
  app.add_option("--seed", seed, "one world, again");
  app.add_flag("--trace", trace, "print all that happens (with --seed)");
  app.add_flag("--no-faults", no_faults, "the same world without faults (with --seed and --trace)");
  app.add_flag("--dry", dry, "and its policy in dry-run (with --no-faults)");
  app.add_option("--seeds", range, "worlds A..B");
  app.add_option("--seconds", run_seconds, "so long, from --start on");
  app.add_option("--start", start, "the first seed of --seconds");
  app.add_option("--first", first, "a file of seeds to run before all others");
  app.add_option("--failures", most_failures, "stop after so many");
  app.add_flag("--quiet", settings.is_quiet, "no trace of what fails");
  app.add_option("--part", settings.part, "a part of the language that each world shall use")
      ->check(CLI::IsMember(part_names()));
  app.add_flag("--late", settings.is_late, "half of all requests wait on their way to the server");
  app.add_flag("--drains", settings.drains_only, "only the worlds in which databases are drained");
  app.add_option("--hole", holes, "a hole in the model's own guard, which a checker must notice")
      ->check(CLI::IsMember({"backend_start", "anchors", "not_before", "not_after", "edges", "lock_wait",
                             "xmin", "in_recovery"}));
  CLI11_PARSE(app, argc, argv);
  for (const auto& hole : holes) {
    settings.holes.backend_start |= hole == "backend_start";
    settings.holes.anchors |= hole == "anchors";
    settings.holes.not_before |= hole == "not_before";
    settings.holes.not_after |= hole == "not_after";
    settings.holes.edges |= hole == "edges";
    settings.holes.lock_wait |= hole == "lock_wait";
    settings.holes.xmin |= hole == "xmin";
    settings.holes.in_recovery |= hole == "in_recovery";
  }
  Totals totals;
  std::uint64_t failed = 0;
  const auto one = [&](std::uint64_t number) {
    if (!run_seed(number, settings, totals)) ++failed;
    return failed < most_failures;
  };
  if (!first.empty()) {
    for (const auto number : read_seeds(first)) {
      if (!one(number)) break;
    }
  }
  if (seed) {
    auto options = options_for(*seed, settings);
    options.no_faults = options.force_enforce = no_faults;
    options.force_dry = dry;
    if (trace) options.text = Trace::Text::kPrint;
    const auto run_one = settings.drains_only ? run_world<DrainWorld> : run_world<World>;
    if (trace ? !run_one(options, settings, totals, nullptr) : !run_seed(*seed, settings, totals)) ++failed;
  } else if (!range.empty()) {
    const auto dots = range.find("..");
    if (dots == std::string::npos) throw CLI::ValidationError("--seeds", "it is written as in 1..100");
    const auto last = std::stoull(range.substr(dots + 2));
    for (auto number = std::stoull(range.substr(0, dots)); number <= last && one(number); ++number) {
    }
  } else if (run_seconds && failed < most_failures) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(*run_seconds);
    for (auto number = start; std::chrono::steady_clock::now() < end && one(number); ++number) {
    }
  }
  print_summary(totals, failed);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace pgcurfew::simulation

int main(int argc, char** argv) {
  return pgcurfew::simulation::run(argc, argv);
}
