#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "simulation/checks.hpp"
#include "simulation/instance.hpp"
#include "simulation/policy_writer.hpp"
#include "simulation/site.hpp"

namespace pgcurfew::simulation {

struct WorldOptions {
  std::uint64_t seed = 0;
  Trace::Text text = Trace::Text::kNone;
  GuardHoles holes;
  bool no_faults = false;
  bool force_dry = false;  ///< the same policy, in dry-run
  bool force_enforce = false;
  std::string part;           ///< of the language that the world must use
  bool has_rules = false;     ///< rules beside drains, on the same sessions
  bool tries_keeper = false;  ///< a world of drains that tests the keeper of gates
  bool is_late = false;       ///< many requests are delayed on their way to the server
};

/// One world of one seed: servers, clients, faults, and the pgcurfews that watch it.
class World {
 public:
  explicit World(const WorldOptions& options);

  /// A phase with faults, then one without, in which everything must be settled. Throws Violation.
  void run();

  [[nodiscard]] const Site& site() const { return site_; }
  [[nodiscard]] const Checks& checks() const { return checks_; }
  [[nodiscard]] const std::string& policy_text() const { return policy_text_; }

 private:
  std::shared_ptr<const Policy> draw_policy();
  void build_nodes();
  void plan_faults(Duration length);
  void plan(double count, Duration length, void (World::*fault)());
  void restart_server();
  void fail_over();
  void promote();
  void step_clock();
  void step_clock_a_little();
  void lock_catalog();
  void exhaust_slots();
  void reload();
  void stop_and_start();
  void crash_and_start();
  void stall();
  void start_again(Instance& instance);
  void heal();
  Instance& some_instance();

  WorldOptions options_;
  Site site_;
  Random random_;
  Random policy_random_;
  Checks checks_;
  PolicyWish wish_;
  std::string policy_text_;
  std::shared_ptr<const Policy> policy_;
  std::vector<std::unique_ptr<Instance>> instances_;
  bool is_healed_ = false;
};

}  // namespace pgcurfew::simulation
