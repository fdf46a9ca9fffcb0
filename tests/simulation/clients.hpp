#pragma once

#include "policy/policy.hpp"
#include "simulation/faults.hpp"
#include "simulation/server.hpp"

namespace pgcurfew::simulation {

/// The clients of one server: they connect, act by their habits, leave, and come back under pids that were
/// used before.
class Clients {
 public:
  Clients(Server& server, Agenda& agenda, Random random, const Faults& faults, int count);

  /// Starts all sessions that a server has after its start.
  void populate();

  /// Durations are drawn around the limits of this policy.
  void follow(const Policy& policy);
  /// From now on no session starts frozen, and all roles have known names.
  void heal() { healed_ = true; }

  /// The number of roles created so far, apart from those that existed at the start.
  [[nodiscard]] int roles_made() const { return roles_made_; }

 private:
  void arrive(std::optional<std::int32_t> pid);
  void arrive_system(std::string_view type, std::string_view user, std::string_view database);
  void plan(Backend& backend, Duration wait);
  void act(Backend& backend);
  void act_in_block(Backend& backend);
  void act_in_portal(Backend& backend);
  void act_in_messages(Backend& backend);
  void start_something(Backend& backend);
  void wait_within(Backend& backend);
  void act_in_herd(Backend& backend);
  void act_in_replay(Backend& backend);
  bool has_to_wait(Backend& backend);
  void go_on(Backend& backend);
  void end_block(Backend& backend);
  Duration running_time();
  Duration pause();
  Temper draw_temper();
  Habit draw_habit();
  std::string draw_user();

  Server& server_;
  Agenda& agenda_;
  Random random_;
  const Faults& faults_;
  int count_;
  std::vector<Duration> limits_;
  bool healed_ = false;
  int prepared_ = 0;
  int roles_made_ = 0;
};

}  // namespace pgcurfew::simulation
