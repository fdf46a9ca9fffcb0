#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulation/checks.hpp"
#include "simulation/drain_checks.hpp"
#include "simulation/instance.hpp"
#include "simulation/keeper_wish.hpp"
#include "simulation/people.hpp"
#include "simulation/site.hpp"
#include "simulation/world.hpp"

namespace pgcurfew::simulation {

/// One world of one seed in which databases are drained: with clients that want to connect, another client
/// that changes limits, in some worlds rules on the same sessions, servers that are replaced by replicas that
/// lag behind, and the pgcurfews that close the gates.
class DrainWorld {
 public:
  explicit DrainWorld(const WorldOptions& options);

  /// A phase with faults, then one without, in which everything must be settled. Throws Violation.
  void run();

  [[nodiscard]] const Site& site() const { return site_; }
  [[nodiscard]] const Checks& checks() const { return checks_; }
  [[nodiscard]] const DrainTally& tally() const { return drain_checks_.tally(); }
  [[nodiscard]] const std::string& policy_text() const { return policy_text_; }

 private:
  void build_nodes();
  void plan(double count, void (DrainWorld::*fault)());
  void plan_faults();
  void lose_server(std::size_t node, const std::string& why);
  void replace_policy();
  void restart_server();
  void fail_over();
  void step_clock();
  void step_clock_a_little();
  void lock_catalog();
  void meddle();
  void reload();
  void stop_and_start();
  void crash_and_start();
  void stall();
  void heal();
  // drain_world_keeper.cpp
  void draw_keeper(const WorldOptions& options);
  void build_keeper();
  void plan_keeper();
  void plan_keeper_when_whole();
  void plan_for_keeper(double count, Duration from, Duration length, void (DrainWorld::*what)());
  void restart_pgbouncer();
  void hang_pgbouncer();
  void open_by_hand();
  void reopen();
  void fail_disk();
  Instance& some_instance();

  Site site_;
  Random random_;
  std::optional<Random> rule_random_;    ///< in worlds with rules, too
  std::optional<Random> keeper_random_;  ///< in worlds that test the keeper of gates
  KeeperWish keeper_;
  bool is_journals_ = false;  ///< the role's privileges: marks go to the journal
  Checks checks_;
  DrainChecks drain_checks_;
  Duration offset_{};
  bool has_change_ = false;  ///< of the clocks in Vienna
  GateAccess access_ = GateAccess::kMark;
  std::string policy_text_;
  std::shared_ptr<const Policy> policy_;
  std::vector<std::unique_ptr<People>> people_;
  std::vector<std::unique_ptr<Instance>> instances_;
  /// One `pgcurfew reopen` each, on the machine of the first instance.
  std::vector<std::unique_ptr<Instance>> reopeners_;
  bool is_healed_ = false;
};

}  // namespace pgcurfew::simulation
