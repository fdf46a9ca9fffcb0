#pragma once

#include "simulation/random.hpp"

namespace pgcurfew::simulation {

/// How a world tests the keeper of gates. Drawn separately from all other faults.
struct KeeperWish {
  bool has_pgbouncer = false;  ///< drains have their gates there
  bool disables = false;       ///< PgBouncer refuses clients instead of pausing
  double pooled = 1;           ///< the share of clients that connect through it
  bool holds = false;          ///< the gates of some drains remain closed
  // average number in a fault phase
  double restarts = 0;    ///< of PgBouncer
  double hangs = 0;       ///< of its console
  double disk_fails = 0;  ///< the journal cannot be written, read or listed for a while
  // in both phases
  double hand_openings = 0;  ///< an administrator issues RESUME
  double reopens = 0;        ///< an administrator runs pgcurfew reopen
};

/// `has_faults`: includes faults that end when a world heals.
KeeperWish draw_keeper_wish(Random& random, bool has_faults);

}  // namespace pgcurfew::simulation
