#include "simulation/options.hpp"

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include <CLI/CLI.hpp>

#include "simulation/policy_writer.hpp"

namespace pgcurfew::simulation {
namespace {

std::vector<std::uint64_t> read_seeds(const std::string& path) {
  std::vector<std::uint64_t> seeds;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::uint64_t seed = 0;
    if (words >> seed) seeds.push_back(seed);
  }
  return seeds;
}

SeedRange read_range(const std::string& text) {
  SeedRange range;
  std::istringstream words(text);
  char dot = 0;
  char other = 0;
  if (!(words >> range.first >> dot >> other >> range.last) || dot != '.' || other != '.' || !words.eof()) {
    throw CLI::ValidationError("--seeds", "it is written as in 1..100");
  }
  return range;
}

const std::map<std::string, bool GuardHoles::*>& known_holes() {
  static const std::map<std::string, bool GuardHoles::*> known{
      {"backend_start", &GuardHoles::backend_start},
      {"anchors", &GuardHoles::anchors},
      {"not_before", &GuardHoles::not_before},
      {"not_after", &GuardHoles::not_after},
      {"edges", &GuardHoles::edges},
      {"lock_wait", &GuardHoles::lock_wait},
      {"xmin", &GuardHoles::xmin},
      {"in_recovery", &GuardHoles::in_recovery},
      {"telling", &GuardHoles::telling},
  };
  return known;
}

/// The options that change a seed's world, as written on the command line.
std::string options_of_each_world(const Settings& settings, const std::vector<std::string>& holes) {
  std::string text;
  if (!settings.part.empty()) text += " --part " + settings.part;
  if (settings.is_late) text += " --late";
  if (settings.drains_only) text += " --drains";
  if (settings.rivals_only) text += " --rivals";
  if (settings.keeper_only) text += " --keeper";
  for (const auto& hole : holes) text += " --hole " + hole;
  return text;
}

}  // namespace

Options read_options(int argc, const char* const* argv) {
  CLI::App app("Drives the production engine through simulated worlds and says which law it breaks.");
  Options options;
  auto& settings = options.settings;
  std::string range;
  std::string first;
  std::vector<std::string> holes;
  app.add_option("--seed", options.seed, "one world, again");
  app.add_flag("--trace", options.trace, "print all that happens (with --seed)");
  app.add_flag("--no-faults", options.no_faults, "the same world without faults (with --seed and --trace)");
  app.add_flag("--dry", options.dry, "and its policy in dry-run (with --no-faults)");
  app.add_option("--seeds", range, "worlds A..B");
  app.add_option("--seconds", options.run_seconds, "so long, from --start on");
  app.add_option("--start", options.start, "the first seed of --seconds");
  app.add_option("--first", first, "a file of seeds to run before all others")->check(CLI::ExistingFile);
  app.add_option("--failures", options.most_failures, "stop after so many");
  app.add_flag("--quiet", settings.is_quiet, "no trace of what fails");
  app.add_flag("--decisions", settings.says_decisions,
               "print a hash of each world's decisions: two builds that decide alike print the same");
  app.add_option("--part", settings.part, "a part of the language that each world shall use")
      ->check(CLI::IsMember(part_names()));
  app.add_flag("--late", settings.is_late, "half of all requests wait on their way to the server");
  app.add_flag("--drains", settings.drains_only, "only the worlds in which databases are drained");
  app.add_flag("--rivals", settings.rivals_only,
               "only the worlds in which rules and drains claim the same sessions");
  app.add_flag("--keeper", settings.keeper_only,
               "only the worlds with a PgBouncer, gates that stay closed, and a disk that fails");
  app.add_option("--hole", holes, "a hole in the model's own guard, which a checker must notice")
      ->check(CLI::IsMember(known_holes()));
  try {
    app.parse(argc, argv);
    if (!range.empty()) options.seeds = read_range(range);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  if (!first.empty()) options.first = read_seeds(first);
  for (const auto& hole : holes) settings.holes.*known_holes().at(hole) = true;
  settings.again = options_of_each_world(settings, holes);
  return options;
}

}  // namespace pgcurfew::simulation
