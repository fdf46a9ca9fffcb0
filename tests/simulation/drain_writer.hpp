#pragma once

#include <string>

#include "base/time.hpp"
#include "simulation/keeper_wish.hpp"
#include "simulation/random.hpp"

namespace pgcurfew::simulation {

/// The text of a random valid main file with drains. `begin`: the server's clock at the beginning of the
/// world. `is_apart`: no two drains have a database in common, because windows at different times may overlap
/// if the clocks change. `wish`: how to test the keeper of gates; null: it is not tested.
std::string write_drains(ServerTime begin, Duration length, bool is_apart, Random& random,
                         const KeeperWish* wish = nullptr);

}  // namespace pgcurfew::simulation
