#include <functional>

#include <gmock/gmock.h>

#include "drains/drain_fixture.hpp"

/// How drains end: which gates are opened, by which instance and when.
namespace pgcurfew {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using World = DrainWorld;

/// The state after a drain of last week with `afterwards: hold`.
void hold_since_last_week(World& world, int limit) {
  auto& gate = world.gates["app"];
  gate.limit = limit;
  gate.mark = GateMark{"d", "other:1", 17, at(-168h), std::nullopt};
  gate.mark_text = to_text(*gate.mark);
}

TEST(DrainEnd, AGateThatSomebodyElseOpensIsTheirs) {
  World world;
  world.go(0s, {active(1, -1s)});
  world.gates["app"].limit = 7;
  world.go(5s, {active(1, -1s)});
  EXPECT_THAT(world.told(), Contains("gate_overridden"));
  EXPECT_EQ(world.gates["app"].limit, 7);
  EXPECT_EQ(world.gates["app"].mark, std::nullopt) << "our mark is taken away";
  world.go(30s, {active(1, -1s)});
  EXPECT_THAT(world.orders, IsEmpty()) << "they want in";
  EXPECT_TRUE(world.desk.is_idle());
}

TEST(DrainEnd, WhatIsTheirsStaysSoThoughTheFirstAttemptFails) {
  World world;
  world.go(0s, {});
  world.gates["app"].limit = 7;
  world.turns_fail = true;
  world.go(5s, {});
  world.gates["app"].limit = 0;  // another instance has closed it, and its mark is in another journal
  world.turns_fail = false;
  for (auto time = 6s; time < 15s; time += 1s) world.go(time, {});
  ASSERT_GE(world.turned.size(), 3U);
  for (auto order = world.turned.begin() + 1; order != world.turned.end(); ++order) {
    EXPECT_FALSE(order->closes);
    EXPECT_TRUE(order->is_theirs);
  }
}

TEST(DrainEnd, LastsNoLongerThanItsWindowThoughTheClockIsSetBack) {
  World world;
  world.go(0s, {});
  world.go(1min, {});
  EXPECT_EQ(world.gates["app"].limit, 0);
  world.set_back = 3h;
  world.go(10min, {});
  EXPECT_EQ(world.gates["app"].limit, 0);
  world.go(11min, {});
  EXPECT_EQ(world.gates["app"].limit, -1);
  EXPECT_THAT(world.told(), Contains("drain_done"));
}

TEST(DrainEnd, GivesBackWhatWasLeftClosedPastItsTimeWhoeverClosedIt) {
  auto plan = plan_of();
  plan.begins = at(24h);
  World world(plan);
  auto& gate = world.gates["crm"];
  gate.limit = 0;
  gate.mark = GateMark{"old", "another", 12, at(-1h), at(10s)};
  gate.mark_text = to_text(*gate.mark);
  world.go(0s, {});
  world.go(10s, {});
  EXPECT_EQ(gate.limit, 0) << "who closed it comes first";
  world.go(13s, {});
  EXPECT_EQ(gate.limit, 12);
  EXPECT_THAT(world.told(), Contains("gate_found"));
  EXPECT_THAT(world.told(), Contains("gate_opened"));
}

TEST(DrainEnd, ADryRunSaysThatItGivesBackWhatEnforcementHasClosed) {
  for (const auto mode : {Mode::kDryRun, Mode::kEnforce}) {
    auto plan = plan_of();
    plan.mode = mode;
    plan.begins = at(24h);
    World world(plan);
    world.policy.mode = mode;
    world.desk.take_policy(std::make_shared<const Policy>(world.policy));
    auto& gate = world.gates["app"];
    gate.limit = 0;
    gate.mark = GateMark{"d", "me", 12, at(-1h), at(0s)};
    gate.mark_text = to_text(*gate.mark);
    world.go(1s, {});
    EXPECT_EQ(gate.limit, 12);
    const auto& events = world.events;
    const auto found = std::find_if(events.begin(), events.end(),
                                    [](const Event& event) { return event.kind == Kind::kGateFound; });
    ASSERT_NE(found, events.end());
    EXPECT_EQ(found->message.find("a dry run") != std::string::npos, mode == Mode::kDryRun) << found->message;
  }
}

TEST(DrainEnd, LeavesWhatIsHeldForGood) {
  World world;
  auto& gate = world.gates["crm"];
  gate.limit = 0;
  gate.mark = GateMark{"old", "another", 12, at(-1h), std::nullopt};
  gate.mark_text = to_text(*gate.mark);
  world.go(0s, {});
  world.go(9min, {});
  EXPECT_EQ(gate.limit, 0);
}

TEST(DrainEnd, GivesUpAndReopensOrHoldsOrGoesOn) {
  for (const auto then : {GiveUpAction::kReopen, GiveUpAction::kHold, GiveUpAction::kAlert}) {
    auto plan = plan_of();
    plan.give_up = GiveUp{30s, then};
    World world(plan);
    const auto stuck = active(1, -1s);
    for (const auto moment : {0s, 10s, 15s}) {
      world.go(moment, {stuck});
      world.signal_all();
    }
    world.go(29s, {stuck});
    EXPECT_THAT(world.told(), Not(Contains("drain_gave_up")));
    EXPECT_THAT(world.told(), Contains("unkillable"));
    EXPECT_EQ(world.desk.progress().at(0).gives_up, at(30s));
    world.go(30s, {stuck, active(2, -1s)});
    EXPECT_FALSE(world.desk.progress().at(0).gives_up);
    EXPECT_THAT(world.told(), Contains("drain_gave_up"));
    EXPECT_EQ(world.gates["app"].limit, then == GiveUpAction::kReopen ? -1 : 0);
    EXPECT_EQ(world.orders.size(), then == GiveUpAction::kAlert ? 1U : 0U);
    world.go(10min, {stuck});
    EXPECT_EQ(world.gates["app"].limit, -1);
    EXPECT_TRUE(world.desk.is_idle());
  }
}

TEST(DrainEnd, WhoTakesOverLooksBeforeItGivesUp) {
  auto plan = plan_of();
  plan.give_up = GiveUp{30s, GiveUpAction::kReopen};
  World first(plan);
  for (const auto moment : {0s, 1s, 2s, 3s}) first.go(moment, {});
  ASSERT_THAT(first.told(), Contains("drain_empty"));
  // it ends silently; the next one finds the gate closed, long after its own time to give up
  for (const bool is_full : {false, true}) {
    World second(plan, "other");
    second.gates = first.gates;
    const auto there = is_full ? std::vector<Session>{active(1, -1s)} : std::vector<Session>{};
    second.time = 60s;
    second.step();
    for (const auto moment : {61s, 62s, 63s, 64s}) second.go(moment, there);
    EXPECT_EQ(second.gates["app"].limit, is_full ? -1 : 0);
    const auto told = second.told();
    EXPECT_EQ(std::count(told.begin(), told.end(), "drain_gave_up"), is_full ? 1 : 0);
  }
}

TEST(DrainEnd, GivingUpReopensEvenWhatWouldHaveBeenHeld) {
  auto plan = plan_of();
  plan.give_up = GiveUp{30s, GiveUpAction::kReopen};
  plan.reopens = false;
  World world(plan);
  for (const auto moment : {0s, 10s, 15s, 30s}) world.go(moment, {active(1, -1s)});
  EXPECT_THAT(world.told(), Contains("drain_gave_up"));
  EXPECT_EQ(world.gates["app"].limit, -1);
  EXPECT_EQ(world.gates["app"].mark, std::nullopt);
  EXPECT_TRUE(world.desk.is_idle());
}

TEST(DrainEnd, OfWhatIsHeldOurMarkGoesIfSomebodyElseOpensIt) {
  auto plan = plan_of();
  plan.reopens = false;
  World world(plan);
  world.go(0s, {});
  world.gates["app"].limit = 5;
  world.go(3s, {});
  EXPECT_THAT(world.told(), Contains("gate_overridden"));
  EXPECT_EQ(world.gates["app"].mark, std::nullopt);
  EXPECT_EQ(world.gates["app"].limit, 5);
}

TEST(DrainEnd, AGateThatIsHeldSinceTheLastTimeLeavesTheNextTimeItsWait) {
  auto plan = plan_of();
  plan.reopens = false;
  plan.give_up = GiveUp{30s, GiveUpAction::kHold};
  World first(plan);
  for (const Duration moment : {Duration(0s), Duration(10min)}) first.go(moment, {});
  plan.begins = at(60min);
  World next(plan);
  next.gates = first.gates;
  for (const Duration moment : {Duration(60min), Duration(60min + 9s)})
    next.go(moment, {active(1, -1s, "postgres")});
  EXPECT_THAT(next.orders, IsEmpty());
  EXPECT_THAT(next.told(), Not(Contains("drain_gave_up")));
  next.go(60min + 10s, {active(1, -1s, "postgres")});
  EXPECT_THAT(next.orders, SizeIs(1));
}

TEST(DrainEnd, StopsByGivingBack) {
  World world;
  world.go(0s, {});
  world.desk.stop("told to stop");
  world.go(1s, {});
  EXPECT_EQ(world.gates["app"].limit, -1);
  EXPECT_TRUE(world.desk.is_idle());
}

TEST(DrainEnd, AStopTriesAgainIfTheGateDoesNotOpenAtOnce) {
  World world;
  world.go(0s, {});
  world.desk.stop("told to stop");
  world.turns_fail = true;
  world.go(1s, {});
  EXPECT_THAT(world.told(), Contains("gate_failed"));
  world.turns_fail = false;
  for (const auto moment : {2s, 3s, 4s}) world.go(moment, {});
  EXPECT_EQ(world.gates["app"].limit, -1);
  EXPECT_TRUE(world.desk.is_idle());
  World away;
  away.go(0s, {});
  away.desk.stop("told to stop");
  away.desk.connection_lost();
  away.desk.connected();
  for (const auto moment : {1s, 2s}) away.go(moment, {});
  EXPECT_EQ(away.gates["app"].limit, -1) << "also after a new connection";
}

TEST(DrainEnd, EndsWhenItIsTakenFromThePolicyAndGoesOnWhenItChanges) {
  World world;
  world.go(0s, {active(1, -1s)});
  world.policy.drains[0].wait = 20s;
  world.desk.take_policy(std::make_shared<const Policy>(world.policy));
  world.go(10s, {active(1, -1s)});
  EXPECT_THAT(world.orders, IsEmpty());
  world.go(20s, {active(1, -1s)});
  EXPECT_THAT(world.orders, SizeIs(1));
  world.policy.drains.clear();
  world.desk.take_policy(std::make_shared<const Policy>(world.policy));
  world.go(21s, {active(1, -1s)});
  EXPECT_EQ(world.gates["app"].limit, -1);
}

TEST(DrainEnd, ChangesToOtherDatabasesByGivingBackTheFirst) {
  World world;
  world.go(0s, {});
  world.policy.drains[0].databases = {TextPattern::parse("crm").value()};
  world.desk.take_policy(std::make_shared<const Policy>(world.policy));
  world.go(1s, {});
  EXPECT_EQ(world.gates["app"].limit, -1);
  world.go(2s, {});
  EXPECT_EQ(world.gates["crm"].limit, 0);
}

TEST(DrainEnd, HeldForGoodStaysClosedAfterItsTime) {
  auto plan = plan_of();
  plan.reopens = false;
  World world(plan);
  world.go(0s, {});
  EXPECT_EQ(world.gates["app"].mark->until, std::nullopt);
  world.go(10min, {});
  EXPECT_TRUE(world.desk.is_idle());
  world.go(20min, {});
  EXPECT_EQ(world.gates["app"].limit, 0);
}

TEST(DrainEnd, TakenFromThePolicyGivesBackEvenWhatWasToBeHeldAfterwards) {
  auto plan = plan_of();
  plan.reopens = false;
  World world(plan);
  world.go(0s, {});
  world.policy.drains.clear();
  world.desk.take_policy(std::make_shared<const Policy>(world.policy));
  world.go(1s, {});
  EXPECT_EQ(world.gates["app"].limit, -1) << "nobody knows of it any more";
}

TEST(DrainEnd, AGateHeldSinceAnEarlierWindowThatSomebodyOpenedByHandIsClosedAnew) {
  auto plan = plan_of();
  plan.reopens = false;
  World world(plan);
  hold_since_last_week(world, 5);
  for (const auto moment : {0s, 1s, 2s, 3s}) world.go(moment, {});
  EXPECT_EQ(world.gates["app"].limit, 0);
  ASSERT_TRUE(world.gates["app"].mark);
  EXPECT_EQ(world.gates["app"].mark->limit, 5) << "theirs is what was before";
  EXPECT_TRUE(world.desk.progress().at(0).was_emptied);
}

TEST(DrainEnd, GatesThatStayClosedAreCountedUntilSomebodyOpensThem) {
  auto plan = plan_of();
  plan.reopens = false;
  World world(plan);
  for (const auto moment : {0s, 1s, 5s}) world.go(moment, {});
  EXPECT_EQ(world.desk.closed_gates("d"), 1U);
  for (const auto moment : {600s, 601s}) world.go(moment, {});
  ASSERT_EQ(world.desk.progress().at(0).phase, DrainPhase::kDone);
  EXPECT_EQ(world.desk.progress().at(0).closed, 1U);
  world.gates["app"].limit = -1;
  world.gates["app"].mark.reset();
  world.read_gates();
  EXPECT_EQ(world.desk.progress().at(0).closed, 0U);
  EXPECT_EQ(world.desk.closed_gates("d"), 0U);
}

TEST(DrainEnd, GatesThatWereLeftClosedBeforeTheStartAreCounted) {
  auto plan = plan_of();
  plan.begins = at(24h);
  World world(plan);
  EXPECT_EQ(world.desk.closed_gates("d"), 0U);
  hold_since_last_week(world, 0);
  world.go(0s, {});
  EXPECT_EQ(world.desk.closed_gates("d"), 1U);
  EXPECT_EQ(world.desk.closed_gates("another"), 0U);
}

TEST(DrainEnd, GatesOfOthersAreShownWithWhoHoldsThem) {
  auto plan = plan_of();
  plan.begins = at(24h);
  World world(plan);
  EXPECT_TRUE(world.desk.all_closed_gates().empty());
  world.gates["app"].limit = 0;
  world.gates["app"].mark = GateMark{"by-hand", "elsewhere:7", -1, at(-60s), std::nullopt};
  world.go(0s, {});
  const auto closed = world.desk.all_closed_gates();
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed[0].database, "app");
  EXPECT_EQ(closed[0].mark, *world.gates["app"].mark);
  world.desk.connection_lost();
  EXPECT_EQ(world.desk.all_closed_gates().size(), 1U) << "as last read";
  world.gates["app"].limit = 7;
  world.read_gates();
  EXPECT_TRUE(world.desk.all_closed_gates().empty()) << "its owner has opened it, and left the mark";
  world.gates["app"].limit = -1;
  world.gates["app"].mark.reset();
  world.read_gates();
  EXPECT_TRUE(world.desk.all_closed_gates().empty());
}

TEST(DrainEnd, GatesThatWeHaveOpenedForOthersAreShownNoMoreThoughTheyWereReadBefore) {
  auto plan = plan_of();
  plan.begins = at(24h);
  World world(plan);
  world.gates["app"].limit = 0;
  world.gates["app"].mark = GateMark{"by-hand", "elsewhere:7", -1, at(-60s), at(1s)};
  world.go(0s, {});
  ASSERT_EQ(world.desk.all_closed_gates().size(), 1U);
  world.time = 10s;
  world.read_gates();
  world.step();
  ASSERT_EQ(world.gates["app"].limit, -1);
  EXPECT_TRUE(world.desk.all_closed_gates().empty());
}

TEST(DrainEnd, GatesThatItHasOpenedAreNotCountedThoughTheyWereReadBefore) {
  World world;
  for (const auto moment : {0s, 1s}) world.go(moment, {});
  world.read_gates();
  for (const auto moment : {600s, 601s}) {
    world.time = moment;
    world.step();
  }
  ASSERT_EQ(world.gates["app"].limit, -1);
  EXPECT_EQ(world.desk.closed_gates("d"), 0U);
  EXPECT_TRUE(world.desk.all_closed_gates().empty());
}

TEST(DrainEnd, GivesBackAGateWhoseClosingLostItsReplyWhenItIsStoppedThen) {
  for (const bool is_connection_lost : {true, false}) {
    World world;
    world.loses_replies = true;
    world.go(0s, {});
    ASSERT_EQ(world.gates["app"].limit, 0);
    world.loses_replies = false;
    if (is_connection_lost) {
      world.desk.connection_lost();
      world.desk.connected();
    }
    world.desk.stop("told to stop");
    EXPECT_TRUE(world.desk.has_gate_to_open());
    for (const auto moment : {1s, 11s, 13s}) {
      world.time = moment;
      world.step();
    }
    EXPECT_EQ(world.gates["app"].limit, -1);
    EXPECT_TRUE(world.desk.is_idle());
  }
}

}  // namespace
}  // namespace pgcurfew
