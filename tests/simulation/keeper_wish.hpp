#pragma once

#include "simulation/random.hpp"

namespace pgcurfew::simulation {

/// What a world has that tries the keeper of gates. Drawn apart from all other faults.
struct KeeperWish {
  bool has_pgbouncer = false;  ///< drains have their gates there
  bool disables = false;       ///< it refuses clients, and does not pause
  double pooled = 1;           ///< so many come through it, of 1
  bool holds = false;          ///< some drains leave their gates closed
  // on average so many in a fault phase
  double restarts = 0;    ///< of PgBouncer
  double hangs = 0;       ///< of its console
  double disk_fails = 0;  ///< the journal cannot be written, read or listed for a while
  // in either phase
  double hand_openings = 0;  ///< somebody says RESUME
  double reopens = 0;        ///< somebody runs pgcurfew reopen
};

/// `has_faults`: of those that end when a world heals.
KeeperWish draw_keeper_wish(Random& random, bool has_faults);

}  // namespace pgcurfew::simulation
