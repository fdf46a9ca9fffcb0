#include <functional>

#include <gmock/gmock.h>

#include "drain_fixture.hpp"

namespace pgcurfew {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using World = DrainWorld;

TEST(Drain, ClosesTheGateFirstWaitsCancelsTerminatesHoldsAndGivesBack) {
  World world;
  const std::vector<Session> busy{active(1, -1s), idle_in_transaction(2, -1s)};
  world.go(-1s, busy);
  EXPECT_THAT(world.turned, IsEmpty()) << "not before its time";
  world.go(0s, busy);
  ASSERT_THAT(world.turned, SizeIs(1));
  EXPECT_EQ(world.gates["app"].limit, 0);
  EXPECT_EQ(world.gates["app"].mark->limit, -1);
  EXPECT_EQ(world.gates["app"].mark->until, at(10min));
  world.go(9999ms, busy);
  EXPECT_THAT(world.orders, IsEmpty()) << "sessions may end by themselves";
  world.go(10s, busy);
  EXPECT_THAT(pids_of(world.orders), ElementsAre(1)) << "a cancel does nothing to the idle";
  EXPECT_EQ(world.orders[0].action, Action::kCancel);
  EXPECT_EQ(world.orders[0].guard.not_before, at(10s));
  world.signal_all();
  world.go(12s, busy);
  EXPECT_THAT(world.orders, IsEmpty()) << "once";
  world.go(15s, busy);
  EXPECT_THAT(pids_of(world.orders), ElementsAre(1, 2));
  EXPECT_EQ(world.orders[0].action, Action::kTerminate);
  world.signal_all();
  for (const auto moment : {15200ms, 15400ms}) world.go(moment, {});
  EXPECT_THAT(world.told(), Not(Contains("drain_empty"))) << "one who was just let in may not be seen yet";
  world.go(15600ms, {});
  EXPECT_THAT(world.told(), Contains("drain_empty"));
  world.go(10min - 1ms, {});
  EXPECT_EQ(world.gates["app"].limit, 0);
  world.go(10min, {});
  EXPECT_EQ(world.gates["app"].limit, -1);
  EXPECT_EQ(world.gates["app"].mark, std::nullopt);
  EXPECT_EQ(world.told().back(), "drain_done");
  EXPECT_TRUE(world.desk.is_idle());
}

TEST(Drain, NobodyIsSignalledWhileAGateIsNotClosed) {
  for (const auto access : {GateAccess::kMark, GateAccess::kNone}) {
    World world;
    world.gates["app"].access = access;
    for (const auto moment : {0s, 10s, 20s, 60s}) world.go(moment, {active(1, -1s)});
    EXPECT_EQ(world.orders.empty(), access == GateAccess::kNone);
    EXPECT_EQ(world.turned.empty(), access == GateAccess::kNone);
    const auto told = world.told();
    EXPECT_EQ(std::count(told.begin(), told.end(), "gate_failed"), access == GateAccess::kNone ? 1 : 0);
  }
}

TEST(Drain, GoesOnWhenTheRightIsGrantedInTheMiddle) {
  World world;
  world.gates["app"].access = GateAccess::kNone;
  world.go(0s, {});
  world.gates["app"].access = GateAccess::kFunction;
  world.go(40s, {active(1, -1s)});
  ASSERT_THAT(world.turned, SizeIs(1));
  EXPECT_EQ(world.turned[0].access, GateAccess::kFunction);
  world.go(49s, {active(1, -1s)});
  EXPECT_THAT(world.orders, IsEmpty()) << "the wait begins when the gate is closed";
}

TEST(Drain, GoesOnAfterACrashWhereTheMarkSaysItStood) {
  World before;
  before.go(0s, {});
  World after(plan_of(), "somebody-else");
  after.gates = before.gates;
  after.go(12s, {active(1, -1s)});
  EXPECT_THAT(after.turned, IsEmpty());
  EXPECT_THAT(after.told(), Contains("gate_adopted"));
  EXPECT_THAT(pids_of(after.orders), ElementsAre(1)) << "the wait is over: it began with the mark";
  after.go(10min, {});
  EXPECT_EQ(after.gates["app"].limit, -1);
}

TEST(Drain, AReplyThatIsLostIsMadeUpForByReadingTheGate) {
  World world;
  world.loses_replies = true;
  world.go(0s, {});
  ASSERT_EQ(world.gates["app"].limit, 0);
  world.desk.connection_lost();
  world.desk.connected();
  world.loses_replies = false;
  world.go(1s, {});
  EXPECT_THAT(world.turned, SizeIs(1)) << "it is closed already";
  world.loses_replies = true;
  world.go(10min, {});
  EXPECT_EQ(world.gates["app"].limit, -1);
  EXPECT_FALSE(world.desk.is_idle());
  world.desk.connection_lost();
  world.desk.connected();
  world.go(10min + 1s, {});
  EXPECT_TRUE(world.desk.is_idle());
  EXPECT_EQ(world.turned.size(), 2U);
}

TEST(Drain, AGateThatSomebodyElseOpensIsTheirs) {
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

TEST(Drain, GivesBackWhatWasLeftClosedPastItsTimeWhoeverClosedIt) {
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

TEST(Drain, LeavesWhatIsHeldForGood) {
  World world;
  auto& gate = world.gates["crm"];
  gate.limit = 0;
  gate.mark = GateMark{"old", "another", 12, at(-1h), std::nullopt};
  gate.mark_text = to_text(*gate.mark);
  world.go(0s, {});
  world.go(9min, {});
  EXPECT_EQ(gate.limit, 0);
}

TEST(Drain, DoesNotTakeADatabaseFromAnotherDrain) {
  World world;
  auto& gate = world.gates["app"];
  gate.limit = 0;
  gate.mark = GateMark{"other", "another", -1, at(-1h), at(60s)};
  gate.mark_text = to_text(*gate.mark);
  world.go(0s, {active(1, -1s)});
  world.go(30s, {active(1, -1s)});
  EXPECT_THAT(world.turned, IsEmpty());
  EXPECT_THAT(world.orders, IsEmpty());
  world.go(100s, {active(1, -1s)});
  EXPECT_EQ(gate.mark->drain, "d") << "its time is over";
  EXPECT_EQ(gate.mark->limit, -1);
}

TEST(Drain, TheExceptedDoNotCountAndTheProtectedAreNamed) {
  auto plan = plan_of();
  plan.except = {exception_of_user("maintenance")};
  World world(plan);
  auto dump = active(2, -1s);
  dump.application_name = "pg_dump";
  const auto vacuum = active(1, -1s, "maintenance");
  world.go(0s, {vacuum, dump});
  world.go(20s, {vacuum, dump});
  EXPECT_THAT(world.orders, IsEmpty());
  auto progress = world.desk.progress().at(0);
  ASSERT_THAT(progress.remaining, SizeIs(1));
  EXPECT_EQ(progress.remaining[0].session.pid, 2);
  EXPECT_EQ(progress.remaining[0].reason, "protected: dumps");
  for (const auto moment : {21s, 22s, 23s}) world.go(moment, {vacuum});
  EXPECT_TRUE(world.desk.progress().at(0).was_emptied);
}

TEST(Drain, WhoListensIsEndedLikeTheOthers) {
  World world;
  auto listener = idle_in_transaction(1, -1s);
  listener.state = State::kIdle;
  listener.query = "listen news";
  world.go(0s, {listener});
  world.go(15s, {listener});
  EXPECT_THAT(pids_of(world.orders), ElementsAre(1));
}

TEST(Drain, ABusySessionDoesNotEscapeByGoingOn) {
  World world;
  world.go(0s, {active(1, -1s)});
  world.go(15s, {active(1, 14s)});
  ASSERT_THAT(world.orders, SizeIs(1));
  const auto& guard = world.orders[0].guard;
  EXPECT_FALSE(guard.query_start || guard.state_change || guard.state || guard.xact_start);
  EXPECT_EQ(guard.database, "app");
  EXPECT_TRUE(guard.application_name) << "the protections of dumps and backups go by it";
}

TEST(Drain, LatecomersAreTerminatedAtOnceOrLeft) {
  for (const bool terminates : {true, false}) {
    auto plan = plan_of();
    plan.terminates_latecomers = terminates;
    World world(plan);
    for (const auto moment : {0s, 1s, 2s, 3s}) world.go(moment, {});
    ASSERT_TRUE(world.desk.progress().at(0).was_emptied);
    auto latecomer = active(1, 4s, "postgres");
    latecomer.key.backend_start = at(4s);
    world.go(4s, {latecomer});
    EXPECT_EQ(world.orders.size(), terminates ? 1U : 0U);
    if (terminates) {
      EXPECT_EQ(world.orders[0].step, StepKind::kTerminate);
    }
    EXPECT_THAT(world.told(), Contains("drain_refilled"));
  }
}

TEST(Drain, GivesUpAndReopensOrHoldsOrGoesOn) {
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

TEST(Drain, WhoTakesOverLooksBeforeItGivesUp) {
  auto plan = plan_of();
  plan.give_up = GiveUp{30s, GiveUpAction::kReopen};
  World first(plan);
  for (const auto moment : {0s, 1s, 2s, 3s}) first.go(moment, {});
  ASSERT_THAT(first.told(), Contains("drain_empty"));
  // it ends without a word; the next one finds the gate closed, long after its own time to give up
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

TEST(Drain, GivingUpReopensEvenWhatWouldHaveBeenHeld) {
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

TEST(Drain, OfWhatIsHeldOurMarkGoesIfSomebodyElseOpensIt) {
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

TEST(Drain, AGateThatIsHeldSinceTheLastTimeLeavesTheNextTimeItsWait) {
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

TEST(Drain, ARehearsalClosesNothingAndOrdersTheSame) {
  auto plan = plan_of();
  plan.mode = Mode::kDryRun;
  World world(plan);
  const std::vector<Session> busy{active(1, -1s), idle_in_transaction(2, -1s)};
  for (const auto moment : {0s, 10s}) world.go(moment, busy);
  world.signal_all();
  world.go(15s, busy);
  world.signal_all();
  EXPECT_THAT(world.turned, IsEmpty());
  EXPECT_THAT(steps_of(world.sent),
              ElementsAre(StepKind::kCancel, StepKind::kTerminate, StepKind::kTerminate));
  for (const auto& order : world.sent) EXPECT_FALSE(order.is_signal());
  world.go(10min, {});
  EXPECT_TRUE(world.desk.is_idle());
}

TEST(Drain, AWildcardLeavesOutTheTemplatesPostgresAndOurOwnDatabaseUnlessNamedBesideIt) {
  World wild(plan_of("*"));
  wild.go(0s, {});
  EXPECT_THAT(wild.desk.progress().at(0).databases, ElementsAre("app", "crm"));
  auto plan = plan_of("*");
  plan.databases.push_back(TextPattern::parse("postgres").value());
  World both(plan);
  both.go(0s, {});
  EXPECT_THAT(both.desk.progress().at(0).databases, ElementsAre("app", "crm", "postgres"));
  EXPECT_EQ(both.gates["postgres"].limit, -1) << "it would keep us out ourselves";
  EXPECT_THAT(both.told(), Contains("gate_failed"));
}

TEST(Drain, AnnouncesTheLastOfSeveralWhoseTimeHasCome) {
  auto plan = plan_of();
  plan.announce = {24h, 15min, 5min};
  World world(plan);
  const auto told_at = [&](Duration time) {
    world.events.clear();
    world.go(time, {});
    const auto told = world.told();
    return std::count(told.begin(), told.end(), "drain_announced");
  };
  EXPECT_EQ(told_at(-25h), 0);
  EXPECT_EQ(told_at(-24h), 1);
  EXPECT_EQ(told_at(-16min), 0);
  EXPECT_EQ(told_at(-3min), 1) << "15 and 5 minutes at once";
  EXPECT_EQ(told_at(-1min), 0);
}

TEST(Drain, WhatWasMissedIsToldAndNotMadeUpFor) {
  World world;
  world.go(11min, {active(1, -1s)});
  EXPECT_THAT(world.told(), ElementsAre("drain_missed"));
  world.go(12min, {active(1, -1s)});
  EXPECT_THAT(world.turned, IsEmpty());
  EXPECT_THAT(world.told(), SizeIs(1));
}

TEST(Drain, OfAMissedOneItSaysOnlyThatItDidNotWatchItself) {
  auto plan = plan_of();
  plan.begins = at(-1h);
  World world(plan);
  world.go(0s, {});
  ASSERT_THAT(world.told(), Contains("drain_missed"));
  EXPECT_THAT(world.events.front().message, ::testing::EndsWith("; this pgcurfew was not watching then"));
}

TEST(Drain, StopsByGivingBack) {
  World world;
  world.go(0s, {});
  world.desk.stop("told to stop");
  world.go(1s, {});
  EXPECT_EQ(world.gates["app"].limit, -1);
  EXPECT_TRUE(world.desk.is_idle());
}

TEST(Drain, AStopTriesAgainIfTheGateDoesNotOpenAtOnce) {
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

TEST(Drain, EndsWhenItIsTakenFromThePolicyAndGoesOnWhenItChanges) {
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

TEST(Drain, ChangesToOtherDatabasesByGivingBackTheFirst) {
  World world;
  world.go(0s, {});
  world.policy.drains[0].databases = {TextPattern::parse("crm").value()};
  world.desk.take_policy(std::make_shared<const Policy>(world.policy));
  world.go(1s, {});
  EXPECT_EQ(world.gates["app"].limit, -1);
  world.go(2s, {});
  EXPECT_EQ(world.gates["crm"].limit, 0);
}

TEST(Drain, AGateThatAnotherInstanceClosedForTheSameDrainIsNoStrangers) {
  World world;
  world.go(0s, {active(1, -1s)});
  auto& gate = world.gates["app"];
  gate.mark->by = "another";
  gate.mark_text = to_text(*gate.mark);
  world.go(5s, {active(1, -1s)});
  EXPECT_THAT(world.told(), Not(Contains("gate_overridden")));
  world.go(10s, {active(1, -1s)});
  EXPECT_THAT(world.orders, SizeIs(1));
  world.go(10min, {});
  EXPECT_EQ(gate.limit, -1) << "by the mark that stands there now";
}

TEST(Drain, WhoCameWhileTheGateWasOpenHasTheWholeWait) {
  World world;
  world.go(0s, {active(1, -1s)});
  auto& gate = world.gates["app"];
  gate.mark->by = "another";
  gate.mark->since = at(5s);
  gate.mark_text = to_text(*gate.mark);
  for (const auto moment : {8s, 10s, 14s}) world.go(moment, {active(1, 4s)});
  EXPECT_THAT(world.orders, IsEmpty());
  world.go(15s, {active(1, 4s)});
  EXPECT_THAT(world.orders, SizeIs(1));
}

TEST(Drain, NobodyIsSignalledBeforeTheGatesOfANewConnectionWereRead) {
  World world;
  world.go(0s, {active(1, -1s)});
  world.desk.connection_lost();
  world.desk.connected();
  world.time = 10s;
  Snapshot snapshot;
  snapshot.number = ++world.ledger.looks_sent;
  snapshot.taken_at = at(10s);
  snapshot.sessions = {active(1, -1s)};
  world.desk.take_look(snapshot, world.now());
  EXPECT_THAT(world.desk.advance(world.ledger, true, world.now()).orders, IsEmpty());
  world.read_gates();
  EXPECT_THAT(world.desk.advance(world.ledger, true, world.now()).orders, SizeIs(1));
}

TEST(Drain, WhoIsGoneIsNotTriedAgainBeforeALookShowsIt) {
  World world;
  world.go(0s, {active(1, -1s)});
  world.time = 10s;
  world.look({active(1, -1s)});
  ASSERT_THAT(world.orders, SizeIs(1));
  world.reply(std::exchange(world.orders, {})[0], ReplyKind::kGone);
  world.time = 11s;
  world.step();
  EXPECT_THAT(world.orders, IsEmpty());
  world.look({active(1, -1s)});
  EXPECT_THAT(world.orders, SizeIs(1));
}

TEST(Drain, BeginsWhenAClockThatWasAheadIsSetRight) {
  auto plan = plan_of();
  plan.begins = at(1h);
  World world(plan);
  world.go(2h, {});
  EXPECT_THAT(world.told(), Contains("drain_missed"));
  world.go(30min, {});
  world.go(1h, {});
  EXPECT_EQ(world.gates["app"].limit, 0);
}

TEST(Drain, HeldForGoodStaysClosedAfterItsTime) {
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

TEST(Drain, IsNotEmptyWhileAnybodyIsHiddenFromUs) {
  World world;
  for (const auto moment : {0s, 1s, 2s, 3s}) {
    world.time = moment;
    world.step();
    Snapshot snapshot;
    snapshot.number = ++world.ledger.looks_sent;
    snapshot.hidden = 1;
    world.desk.take_look(snapshot, world.now());
  }
  EXPECT_FALSE(world.desk.progress().at(0).was_emptied);
}

TEST(Drain, ADatabaseThatIsNotThereIsToldOnceAndAskedForNowAndThen) {
  World world(plan_of("nowhere"));
  world.step();
  int readings = 0;
  for (int i = 0; i < 600; ++i) {
    world.time += 100ms;
    world.events.clear();
    auto wanted = world.desk.advance(world.ledger, true, world.now());
    EXPECT_THAT(kinds_of(wanted.events), Not(Contains("drain_no_database")));
    EXPECT_TRUE(world.desk.next_due()) << "it is asked again";
    if (world.desk.asks_for_gates(world.now())) {
      ++readings;
      world.read_gates();
    }
  }
  EXPECT_LE(readings, 31) << "as often as under any drain";
  world.gates["nowhere"] = world.gates["app"];
  world.gates["nowhere"].database = "nowhere";
  world.time += 31s;
  world.step();
  EXPECT_EQ(world.gates["nowhere"].limit, 0) << "it was created in the meantime";
}

TEST(Drain, GivingUpGivesBackEvenWhatWasToBeHeldAfterwards) {
  auto plan = plan_of();
  plan.reopens = false;
  plan.give_up = GiveUp{30s, GiveUpAction::kReopen};
  World world(plan);
  const auto stuck = active(1, -1s);
  world.go(0s, {stuck});
  ASSERT_EQ(world.gates["app"].limit, 0);
  world.go(30s, {stuck});
  EXPECT_EQ(world.gates["app"].limit, -1);
  EXPECT_FALSE(world.gates["app"].mark);
}

TEST(Drain, TakenFromThePolicyGivesBackEvenWhatWasToBeHeldAfterwards) {
  auto plan = plan_of();
  plan.reopens = false;
  World world(plan);
  world.go(0s, {});
  world.policy.drains.clear();
  world.desk.take_policy(std::make_shared<const Policy>(world.policy));
  world.go(1s, {});
  EXPECT_EQ(world.gates["app"].limit, -1) << "nobody knows of it any more";
}

/// As it stands after a drain of last week that was to hold.
void hold_since_last_week(World& world, int limit) {
  auto& gate = world.gates["app"];
  gate.limit = limit;
  gate.mark = GateMark{"d", "other:1", 17, at(-168h), std::nullopt};
  gate.mark_text = to_text(*gate.mark);
}

TEST(Drain, AGateHeldSinceAnEarlierWindowDoesNotUseUpTheTimeOfThisOne) {
  auto plan = plan_of();
  plan.reopens = false;
  plan.give_up = GiveUp{5min, GiveUpAction::kReopen};
  World world(plan);
  hold_since_last_week(world, 0);
  world.go(0s, {active(1, -1s)});
  world.go(1s, {active(1, -1s)});
  EXPECT_THAT(world.told(), Contains("gate_adopted"));
  EXPECT_THAT(world.told(), Not(Contains("drain_gave_up")));
  EXPECT_THAT(world.orders, IsEmpty()) << "its wait is not over";
  world.go(15s, {active(1, -1s)});
  EXPECT_THAT(world.orders, SizeIs(1));
}

TEST(Drain, AGateHeldSinceAnEarlierWindowThatSomebodyOpenedByHandIsClosedAnew) {
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

TEST(Drain, AGateThatDoesNotOpenAtOnceIsTriedAgainWhenStopping) {
  World world;
  world.go(0s, {});
  ASSERT_EQ(world.gates["app"].limit, 0);
  world.desk.stop("told to stop");
  auto wanted = world.desk.advance(world.ledger, true, world.now());
  ASSERT_THAT(wanted.gates, SizeIs(1));
  GateReply failed;
  failed.id = wanted.gates[0].id;
  failed.outcome = GateOutcome::kFailed;
  failed.error = {"canceling statement due to lock timeout", {}, {}, "55P03"};
  world.desk.take(failed, world.now());
  world.time += 2s;
  world.step();
  EXPECT_EQ(world.gates["app"].limit, -1);
  EXPECT_TRUE(world.desk.is_idle());
  EXPECT_FALSE(world.desk.next_reading());
}

TEST(Drain, GivesBackAGateWhoseClosingLostItsReplyWhenItIsStoppedThen) {
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

TEST(Drain, IsNotEmptyWhileSomebodyMayBeInThereWhoseNamesAreNotKnown) {
  for (const bool is_database : {true, false}) {
    auto plan = plan_of();
    plan.except = {exception_of_user("maintenance")};
    World world(plan);
    auto nameless = active(1, -1s);
    if (is_database) {
      nameless.database.reset();
      nameless.has_nameless_database = true;
    } else {
      nameless.user.reset();
      nameless.has_nameless_user = true;
    }
    for (const auto moment : {0s, 1s, 2s, 3s}) world.go(moment, {nameless});
    EXPECT_FALSE(world.desk.progress().at(0).was_emptied) << is_database;
    for (const auto moment : {4s, 5s, 6s}) world.go(moment, {});
    EXPECT_TRUE(world.desk.progress().at(0).was_emptied) << is_database;
  }
}

TEST(GateMark, IsReadAsItWasWritten) {
  for (const auto& until : {std::optional(at(5s)), std::optional<ServerTime>()}) {
    const GateMark mark{"orders-vacuum", "host:12", -1, at(1s), until};
    EXPECT_EQ(parse_gate_mark(to_text(mark)).value(), mark);
  }
  for (const auto* text :
       {"", "limit=-1", "limit=x since=1 until=2 by=a drain=b", "limit=-2 since=1 until=2 by=a drain=b",
        "limit=-1 since=1 until=2 by= drain=b", "limit=-1 since=1 until=2 by=a drain=b ",
        "limit=-1 since=1 until=2 by=a drain=b c"}) {
    EXPECT_FALSE(parse_gate_mark(text)) << text;
  }
}

}  // namespace
}  // namespace pgcurfew
