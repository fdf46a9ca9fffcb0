// Drives the production engine through simulated worlds and reports the law that it breaks.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "simulation/drain_world.hpp"
#include "simulation/options.hpp"
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
    drains.lost += more.lost;
    drains.overridden += more.overridden;
    drains.reopened += more.reopened;
    drains.pgbouncers += more.pgbouncers;
    drains.disk_complaints += more.disk_complaints;
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
    for (const auto& [end, count] : more.ends) tally.ends[end] += count;
  }
};

template <class AnyWorld>
void report(const AnyWorld& world, const WorldOptions& options, const Violation& violation) {
  fmt::print("seed {}: checker {}: at {:.6f} s: {}\n", options.seed, violation.checker,
             static_cast<double>(world.site().agenda.now().count()) / 1e6, violation.what());
}

/// Runs the same world again with its trace as text, and prints the end of the trace.
template <class AnyWorld>
void print_last_lines(WorldOptions options, const std::string& again) {
  options.text = Trace::Text::kLast;
  AnyWorld world(options);
  try {
    world.run();
  } catch (const Violation&) {
    fmt::print("{}--- last lines of the trace (all of them: --seed {} --trace{})\n", world.policy_text(),
               options.seed, again);
    for (const auto& line : world.site().trace.last()) fmt::print("{}\n", line);
  }
}

/// Returns false if a law was broken.
template <class AnyWorld>
bool run_world(const WorldOptions& options, const Settings& settings, Totals& totals,
               std::optional<std::uint64_t>* hash = nullptr) {
  AnyWorld world(options);
  try {
    world.run();
  } catch (const Violation& violation) {
    report(world, options, violation);
    if (options.text == Trace::Text::kNone && !settings.is_quiet)
      print_last_lines<AnyWorld>(options, settings.again);
    return false;
  }
  if (settings.says_decisions) {
    fmt::print("seed {}: {} decisions {:016x}\n", options.seed, world.site().trace.decisions(),
               world.site().trace.decisions_hash());
  }
  totals.add(world);
  if (hash != nullptr) *hash = world.site().trace.hash();
  return true;
}

/// Checks that the same seed gives the same trace.
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

/// Checks that a dry run gives the same orders as an enforcing run, up to the first effect of the latter.
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
  auto found = dry.checks().first_orders();
  auto next = found.begin();
  for (const auto& order : real.checks().first_orders()) {
    // the order of those that fell due at the same time depends on which session a guard has just spared
    auto same = next;
    while (same != found.end() && same->due == order.due && !(*same == order)) ++same;
    if (same == found.end() || !(*same == order)) {
      fmt::print("seed {}: checker dry-twin: enforcing orders [{}], the dry run [{}]\n", options.seed,
                 order.what, next == found.end() ? "nothing" : next->what);
      return false;
    }
    std::rotate(next, same, same + 1);
    ++next;
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

/// `is_doubled`: runs this seed's world twice, to compare the two runs.
bool run_drain_world(const WorldOptions& options, bool is_doubled, const Settings& settings, Totals& totals) {
  if (is_doubled && !run_twice<DrainWorld>(options, settings, totals)) return false;
  return run_world<DrainWorld>(options, settings, totals);
}

bool run_seed(std::uint64_t seed, const Settings& settings, Totals& totals) {
  const auto options = options_for(seed, settings);
  if (settings.rivals_only || seed % 4 == 0) {
    auto with_rules = options;
    with_rules.has_rules = true;
    if (!run_drain_world(with_rules, seed % 32 == 4, settings, totals)) return false;
    if (settings.rivals_only) return true;
  }
  if (settings.keeper_only || seed % 4 == 1) {
    auto with_keeper = options;
    with_keeper.tries_keeper = true;
    if (!run_drain_world(with_keeper, seed % 32 == 1, settings, totals)) return false;
    if (settings.keeper_only) return true;
  }
  if (settings.drains_only || seed % 4 == 2) {
    if (!run_drain_world(options, seed % 32 == 2, settings, totals)) return false;
    if (settings.drains_only) return true;
  }
  if (seed % 16 == 3) return run_twice<World>(options, settings, totals);
  if (seed % 16 == 5 && !run_dry_twin(options, totals)) return false;
  return run_world<World>(options, settings, totals);
}

void print_summary(const Totals& totals, std::uint64_t failed) {
  const auto& tally = totals.tally;
  fmt::print(
      "{} worlds, {:.1f} virtual hours: {} turns, {} looks, {} orders, {} signals, {} spared; {} failed\n",
      totals.worlds, static_cast<double>(totals.virtual_time.count()) / 3.6e9, tally.turns, tally.looks,
      tally.orders, tally.signals, tally.spared, failed);
  const auto text_of = [](const auto& counts) {
    std::string text;
    for (const auto& [name, count] : counts) text += fmt::format(" {} {}", name, count);
    return text;
  };
  fmt::print("steps of rules with:{}\n", text_of(tally.parts));
  fmt::print("episodes ended:{}\n", text_of(tally.ends));
  const auto& drains = totals.drains;
  fmt::print(
      "{} worlds with drains: {} gates closed, {} opened, {} left to others, {} signals, {} times empty\n",
      totals.drain_worlds, drains.closings, drains.openings, drains.foreign, drains.signals, drains.emptied);
  fmt::print(
      "of these {} closed at PgBouncer; {} overridden, {} lost, {} reopened by hand, {} troubles with the "
      "disk\n",
      drains.pgbouncers, drains.overridden, drains.lost, drains.reopened, drains.disk_complaints);
}

int run(const Options& options) {
  const auto& settings = options.settings;
  Totals totals;
  std::uint64_t failed = 0;
  const auto one = [&](std::uint64_t number) {
    if (!run_seed(number, settings, totals)) ++failed;
    return failed < options.most_failures;
  };
  for (const auto number : options.first) {
    if (!one(number)) break;
  }
  if (options.seed) {
    auto world = options_for(*options.seed, settings);
    world.no_faults = world.force_enforce = options.no_faults;
    world.force_dry = options.dry;
    if (options.trace) world.text = Trace::Text::kPrint;
    world.has_rules = settings.rivals_only;
    world.tries_keeper = settings.keeper_only;
    const bool has_drains = settings.drains_only || settings.rivals_only || settings.keeper_only;
    const auto run_one = has_drains ? run_world<DrainWorld> : run_world<World>;
    if (options.trace ? !run_one(world, settings, totals, nullptr)
                      : !run_seed(*options.seed, settings, totals)) {
      ++failed;
    }
  } else if (options.seeds) {
    for (auto number = options.seeds->first; number <= options.seeds->last && one(number); ++number) {
    }
  } else if (options.run_seconds && failed < options.most_failures) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(*options.run_seconds);
    for (auto number = options.start; std::chrono::steady_clock::now() < end && one(number); ++number) {
    }
  }
  print_summary(totals, failed);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace pgcurfew::simulation

int main(int argc, char** argv) {
  return pgcurfew::simulation::run(pgcurfew::simulation::read_options(argc, argv));
}
