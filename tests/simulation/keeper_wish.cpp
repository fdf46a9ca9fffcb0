#include "simulation/keeper_wish.hpp"

namespace pgcurfew::simulation {

KeeperWish draw_keeper_wish(Random& random, bool has_faults) {
  KeeperWish wish;
  const auto rate = [&](double most) {
    return random.chance(0.5) ? most * static_cast<double>(random.between(1, 100)) / 100 : 0;
  };
  wish.has_pgbouncer = random.chance(0.7);
  wish.disables = random.chance(0.4);
  if (random.chance(0.3)) wish.pooled = 0.7;
  wish.holds = random.chance(0.4);
  wish.restarts = rate(6);
  wish.hangs = rate(6);
  wish.disk_fails = rate(6);
  if (!has_faults) wish.restarts = wish.hangs = wish.disk_fails = 0;
  wish.hand_openings = rate(4);
  wish.reopens = rate(4);
  return wish;
}

}  // namespace pgcurfew::simulation
