#include <gmock/gmock.h>

#include "drains/drain_fixture.hpp"

/// A drain whose databases are renamed, dropped or replaced in its window.
namespace pgcurfew {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

struct World : DrainWorld {
  using DrainWorld::DrainWorld;
  /// All sessions are in `app`, whatever its name is now.
  [[nodiscard]] Session in(const std::string& database, std::int32_t pid = 1) const {
    auto session = active(pid, -1s);
    session.database = database;
    return session;
  }
};

TEST(DrainDatabases, OneThatIsRenamedIsGivenBackUnderItsNewName) {
  World world;
  world.gates["app"].limit = 17;
  world.go(0s, {});
  ASSERT_EQ(world.gates["app"].limit, 0);
  world.rename("app", "app_old");
  world.go(5s, {});
  EXPECT_THAT(world.told(), Contains("gate_renamed"));
  EXPECT_THAT(world.told(), Not(Contains("gate_overridden")));
  EXPECT_THAT(world.desk.progress().at(0).databases, ElementsAre("app_old"));
  EXPECT_FALSE(world.desk.is_idle());
  EXPECT_EQ(world.gates["app_old"].limit, 0);
  world.go(20s, {world.in("app_old")});
  EXPECT_THAT(world.orders, SizeIs(1)) << "it is to be empty still";
  world.go(10min, {});
  EXPECT_EQ(world.gates["app_old"].limit, 17);
  EXPECT_EQ(world.gates["app_old"].mark, std::nullopt);
  EXPECT_TRUE(world.desk.is_idle());
}

TEST(DrainDatabases, OneThatIsRenamedJustBeforeTheEndIsGivenBackAtOnce) {
  World world;
  world.go(0s, {});
  world.rename("app", "app_old");
  world.desk.stop("told to stop");
  world.go(1s, {});
  EXPECT_EQ(world.gates["app_old"].limit, -1);
  EXPECT_TRUE(world.desk.is_idle());
}

TEST(DrainDatabases, OneThatIsLeftClosedAndRenamedIsGivenBackByWhoeverFindsIt) {
  World first;
  first.go(0s, {});
  World second(plan_of(), "other");
  second.policy.drains.clear();
  second.desk.take_policy(std::make_shared<const Policy>(second.policy));
  second.gates = first.gates;
  second.go(5min, {});
  second.rename("app", "app_old");
  second.go(10min + 5s, {});
  EXPECT_EQ(second.gates["app_old"].limit, -1);
  EXPECT_EQ(second.gates["app_old"].mark, std::nullopt);
}

TEST(DrainDatabases, OneThatIsDroppedAndCreatedAnewIsClosedToo) {
  World world;
  world.go(0s, {});
  for (const auto moment : {1s, 2s, 3s, 4s}) world.go(moment, {});
  ASSERT_THAT(world.told(), Contains("drain_empty"));
  world.gates["app"].limit = 17;
  world.create_anew("app");
  world.gates["app"].limit = 5;
  world.go(20s, {world.in("app")});
  EXPECT_THAT(world.told(), Contains("gate_replaced"));
  EXPECT_THAT(world.told(), Not(Contains("gate_overridden")));
  EXPECT_EQ(world.gates["app"].limit, 0);
  ASSERT_TRUE(world.gates["app"].mark);
  EXPECT_EQ(world.gates["app"].mark->limit, 5);
  EXPECT_THAT(world.orders, IsEmpty()) << "whoever came in before it closed has the whole time";
  world.go(29s, {world.in("app")});
  EXPECT_THAT(world.orders, IsEmpty());
  world.go(30s, {world.in("app")});
  EXPECT_THAT(world.orders, SizeIs(1));
  world.go(10min, {});
  EXPECT_EQ(world.gates["app"].limit, 5);
  EXPECT_TRUE(world.desk.is_idle());
}

TEST(DrainDatabases, OneThatTakesTheNameOfARenamedOneIsClosedToo) {
  World world;
  world.gates["app"].limit = 17;
  world.go(0s, {});
  world.rename("app", "app_old");
  world.rename("crm", "app");
  world.go(5s, {});
  EXPECT_EQ(world.gates["app"].limit, 0);
  EXPECT_EQ(world.gates["app_old"].limit, 0);
  world.go(10min, {});
  EXPECT_EQ(world.gates["app"].limit, -1);
  EXPECT_EQ(world.gates["app_old"].limit, 17);
  EXPECT_TRUE(world.desk.is_idle());
}

TEST(DrainDatabases, OneThatIsDroppedIsToldOnceAndKeepsNobodyFromBeingEnded) {
  auto plan = plan_of();
  plan.databases.push_back(TextPattern::parse("crm").value());
  World world(plan);
  world.go(0s, {world.in("app")});
  world.gates.erase("crm");
  for (const auto moment : {3s, 6s, 9s, 12s}) world.go(moment, {world.in("app")});
  const auto told = world.told();
  EXPECT_EQ(std::count(told.begin(), told.end(), "gate_gone"), 1);
  EXPECT_THAT(told, Not(Contains("gate_failed")));
  EXPECT_THAT(world.orders, SizeIs(1));
  world.go(10min, {});
  EXPECT_EQ(world.gates["app"].limit, -1);
  EXPECT_TRUE(world.desk.is_idle());
}

TEST(DrainDatabases, OneThatIsDroppedAndLaterCreatedIsClosedWhenItIsThere) {
  World world;
  world.go(0s, {});
  auto gone = world.gates.extract("app");
  world.go(3s, {});
  world.gates.insert(std::move(gone));
  world.create_anew("app");
  world.go(6s, {});
  EXPECT_EQ(world.gates["app"].limit, 0);
  EXPECT_THAT(world.told(), Contains("gate_replaced"));
}

TEST(DrainDatabases, TheGateAtPgBouncerIsThatOfTheNameWhateverIsBehindIt) {
  auto plan = plan_of();
  plan.gate = GateKind::kPgbouncer;
  World world(plan);
  world.go(0s, {});
  world.rename("app", "app_old");
  world.go(5s, {});
  world.rename("crm", "app");
  world.go(9s, {});
  EXPECT_THAT(world.turned, SizeIs(1));
  EXPECT_THAT(world.told(), Not(Contains("gate_overridden")));
  world.go(10min, {});
  ASSERT_THAT(world.turned, SizeIs(2));
  EXPECT_EQ(world.turned[1].database, "app");
  EXPECT_TRUE(world.desk.is_idle());
}

}  // namespace
}  // namespace pgcurfew
