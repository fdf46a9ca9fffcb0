#pragma once

#include <string>

#include "base/time.hpp"
#include "simulation/keeper_wish.hpp"
#include "simulation/random.hpp"

namespace pgcurfew::simulation {

/// The text of a main file of drains, legal and random. `begin`: what the server's clock shows when the world
/// begins. `is_apart`: where the clocks change, drains at other times are not apart: then they have no
/// database in common. `wish`: what tries the keeper of gates; null: nothing does.
std::string write_drains(ServerTime begin, Duration length, bool is_apart, Random& random,
                         const KeeperWish* wish = nullptr);

}  // namespace pgcurfew::simulation
