#include <gmock/gmock.h>

#include "drains/drain_fixture.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::Contains;
using ::testing::Not;
using ::testing::SizeIs;

Drain plan_at_pgbouncer() {
  auto plan = plan_of();
  plan.gate = GateKind::kPgbouncer;
  return plan;
}

/// A drain whose gate at PgBouncer is closed.
struct World : DrainWorld {
  World() : DrainWorld(plan_at_pgbouncer()) { go(0s, {}); }
  Gate& gate() { return gates.at(pgbouncer_key("app")); }
  [[nodiscard]] auto count(const std::string& kind) const {
    const auto all = told();
    return std::count(all.begin(), all.end(), kind);
  }
};

TEST(DrainAtPgBouncer, AGateThatPgBouncerHasForgottenIsClosedAgainAndTheDrainGoesOn) {
  World world;
  ASSERT_THAT(world.turned, SizeIs(1));
  world.gate().is_lost = true;
  world.go(3s, {});
  EXPECT_EQ(world.count("gate_lost"), 1);
  ASSERT_THAT(world.turned, SizeIs(2));
  EXPECT_TRUE(world.turned.back().closes);
  world.go(6s, {});
  world.go(9s, {});
  EXPECT_THAT(world.turned, SizeIs(2));
  EXPECT_THAT(world.told(), Not(Contains("gate_overridden")));
  EXPECT_FALSE(world.desk.is_idle());
  world.go(10min, {});
  EXPECT_TRUE(world.desk.is_idle());
  EXPECT_EQ(world.gate().mark, std::nullopt);
}

TEST(DrainAtPgBouncer, NobodyIsSignalledWhileAGateIsLost) {
  World world;
  world.go(1s, {active(1, -1s)});
  ASSERT_TRUE(world.desk.claims().at(0).since);
  world.gate().is_lost = true;
  world.turns_fail = true;
  for (int second = 3; second < 12; second += 3) world.go(std::chrono::seconds(second), {});
  EXPECT_FALSE(world.desk.claims().at(0).since);
  EXPECT_THAT(world.told(), Not(Contains("drain_empty")));
  world.turns_fail = false;
  for (int second = 12; second < 60; second += 3) world.go(std::chrono::seconds(second), {});
  EXPECT_TRUE(world.desk.claims().at(0).since);
  EXPECT_THAT(world.told(), Contains("drain_empty"));
}

TEST(DrainAtPgBouncer, AGateThatSomebodyOpensIsTheirs) {
  World world;
  world.gate().limit = -1;
  world.go(3s, {});
  EXPECT_THAT(world.told(), Contains("gate_overridden"));
  EXPECT_TRUE(world.desk.is_idle());
  EXPECT_EQ(world.gate().mark, std::nullopt) << "our mark is taken away";
}

TEST(DrainAtPgBouncer, OneWhoseDatabaseIsDroppedIsEmpty) {
  World world;
  world.gates.erase("app");
  for (int second = 1; second < 12; second += 2) world.go(std::chrono::seconds(second), {});
  EXPECT_THAT(world.told(), Contains("drain_empty"));
}

TEST(DrainAtPgBouncer, AForgottenGateThatDoesNotCloseIsToldOnceAndItsMarkIsTakenAwayAtTheEnd) {
  World world;
  world.gate().is_lost = true;
  world.turns_fail = true;
  for (int second = 3; second < 60; second += 3) world.go(std::chrono::seconds(second), {});
  EXPECT_EQ(world.count("gate_lost"), 1);
  EXPECT_EQ(world.count("gate_failed"), 1);
  EXPECT_EQ(world.count("gate_adopted"), 0);
  EXPECT_GT(world.turned.size(), 2U);
  world.turns_fail = false;
  world.desk.stop("we stop");
  world.go(61s, {});
  EXPECT_TRUE(world.desk.is_idle());
  EXPECT_FALSE(world.turned.back().closes);
  EXPECT_EQ(world.gate().mark, std::nullopt);
}

}  // namespace
}  // namespace pgcurfew::testing
