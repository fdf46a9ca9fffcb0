#include <functional>

#include <gmock/gmock.h>

#include "drains/drain_events.hpp"
#include "drains/drain_fixture.hpp"

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
  EXPECT_FALSE(guard.query_start || guard.state_change || guard.states || guard.xact_start);
  EXPECT_EQ(guard.database, "app");
  EXPECT_FALSE(text_guard_of(guard, Field::kApplicationName).unchanged) << "it could change it without end";
  EXPECT_THAT(text_guard_of(guard, Field::kApplicationName).spares, Not(IsEmpty()))
      << "the protections of dumps and backups go by it";
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

TEST(Drain, WhoCameWhileAnotherInstanceHadItOpenHasTheWholeTimeThoughItWasEmptyBefore) {
  World world;
  for (const auto moment : {0s, 1s, 2s, 3s}) world.go(moment, {});
  ASSERT_TRUE(world.desk.progress().at(0).was_emptied);
  // it was opened and closed again, and we have not read that yet
  auto& gate = world.gates["app"];
  gate.mark->since = at(5s);
  gate.mark_text = to_text(*gate.mark);
  auto came = active(1, 4s);
  came.key.backend_start = at(4s);
  world.desk.connection_lost();
  world.desk.connected();
  world.time = 6s;
  Look seen;
  seen.taken_at = at(6s);
  seen.sessions = {came};
  world.show(std::move(seen));
  world.read_gates();
  world.decide_now();
  EXPECT_THAT(world.orders, IsEmpty())
      << "the look was before the gates were read, and it counts from 5s now";
  auto came_later = active(2, 7s);
  came_later.key.backend_start = at(7s);
  world.go(8s, {came, came_later});
  EXPECT_THAT(world.orders, IsEmpty()) << "it was not empty since then";
  world.go(15s, {came, came_later});
  EXPECT_THAT(steps_of(world.orders), ElementsAre(StepKind::kCancel, StepKind::kCancel));
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
  Look seen;
  seen.taken_at = at(10s);
  seen.sessions = {active(1, -1s)};
  world.show(std::move(seen));
  world.decide_now();
  EXPECT_THAT(world.orders, IsEmpty());
  world.read_gates();
  world.decide_now();
  EXPECT_THAT(world.orders, SizeIs(1));
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

TEST(Drain, IsNotEmptyWhileAnybodyIsHiddenFromUs) {
  World world;
  for (const auto moment : {0s, 1s, 2s, 3s}) {
    world.time = moment;
    world.step();
    Look seen;
    seen.hidden = 1;
    world.show(std::move(seen));
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
  world.gates["nowhere"].oid = 20000;
  world.time += 31s;
  world.step();
  EXPECT_EQ(world.gates["nowhere"].limit, 0) << "it was created in the meantime";
}

TEST(Drain, ClosesSoonAfterALockWasFreedThatWasHeldForLong) {
  World world;
  world.turns_fail = true;
  for (auto time = 0s; time < 60s; time += 1s) world.go(time, {});
  world.turns_fail = false;
  for (auto time = 60s; time < 67s; time += 1s) world.go(time, {});
  EXPECT_EQ(world.gates["app"].limit, 0);
}

TEST(Drain, IsNotEmptyWhileSomebodyLogsIn) {
  World world;
  world.gates["app"].logging_in = {"4711"};
  world.gates["crm"].logging_in = {"4712"};
  for (auto time = 0s; time < 20s; time += 2s) world.go(time, {});
  EXPECT_THAT(world.told(), Not(Contains("drain_empty")));
  EXPECT_EQ(remaining_text(world.desk.progress().at(0)), "0 sessions, 1 client still logging in (pid 4711)");
  world.gates["app"].logging_in.clear();
  for (auto time = 20s; time < 30s; time += 2s) world.go(time, {});
  EXPECT_THAT(world.told(), Contains("drain_empty"));
}

TEST(Drain, WhoIsRefusedLogsInTooAndDoesNotCount) {
  World world;
  world.go(0s, {});
  for (auto time = 1s; time < 20s; time += 1s) {
    world.gates["app"].logging_in = {std::to_string(time.count()), std::to_string(time.count() + 1)};
    world.go(time, {});
  }
  EXPECT_THAT(world.told(), Contains("drain_empty"));
  EXPECT_THAT(world.told(), Not(Contains("drain_refilled")));
}

TEST(Drain, NobodyLogsInToADatabaseThatWasDropped) {
  auto plan = plan_of();
  plan.databases.push_back(TextPattern::parse("crm").value());
  World world(plan);
  world.gates["crm"].logging_in = {"4711"};
  world.go(0s, {});
  world.go(1s, {});
  world.gates.erase("crm");
  for (auto time = 2s; time < 12s; time += 2s) world.go(time, {});
  EXPECT_THAT(world.told(), Contains("drain_empty"));
}

TEST(Drain, ThatWhoLogsInCannotBeSeenIsToldOnceAndHoldsUpNothing) {
  World world;
  world.may_not_see_logins = true;
  for (auto time = 0s; time < 10s; time += 1s) world.go(time, {});
  EXPECT_EQ(std::ranges::count(world.told(), "logins_unseen"), 1);
  EXPECT_THAT(world.told(), Contains("drain_empty"));
}

TEST(Drain, WhoLogsInIsReadAnewAfterAConnectionWasLost) {
  World world;
  world.go(0s, {});
  world.desk.connection_lost();
  world.desk.connected();
  for (int i = 0; i < 10; ++i) {
    Look seen;
    world.show(std::move(seen));
  }
  EXPECT_FALSE(world.desk.progress().at(0).was_emptied);
  for (auto time = 1s; time < 5s; time += 1s) world.go(time, {});
  EXPECT_TRUE(world.desk.progress().at(0).was_emptied);
}

TEST(Drain, TurnsItsGatesOneAfterTheOther) {
  auto plan = plan_of();
  plan.databases.push_back(TextPattern::parse("crm").value());
  World world(plan);
  world.desk.advance(world.ledger, true, world.now());
  ASSERT_TRUE(world.desk.asks_for_gates(world.now()));
  world.read_gates();
  const auto wanted = world.desk.advance(world.ledger, true, world.now());
  ASSERT_EQ(wanted.gates.size(), 1U);
  EXPECT_THAT(world.desk.advance(world.ledger, true, world.now()).gates, IsEmpty())
      << "while one is under way";
  world.turn(wanted.gates[0]);
  EXPECT_THAT(world.desk.advance(world.ledger, true, world.now()).gates, SizeIs(1));
}

TEST(Drain, IsNotEmptyBeforeItWasReadAfterTheClosingWhoLogsIn) {
  World world;
  world.time = 0s;
  auto closing = world.desk.advance(world.ledger, true, world.now());
  ASSERT_TRUE(world.desk.asks_for_gates(world.now()));
  world.read_gates();
  closing = world.desk.advance(world.ledger, true, world.now());
  ASSERT_EQ(closing.gates.size(), 1U);
  world.turn(closing.gates[0]);
  for (int i = 0; i < 10; ++i) {
    Look seen;
    world.show(std::move(seen));
    world.desk.advance(world.ledger, true, world.now());
  }
  EXPECT_FALSE(world.desk.progress().at(0).was_emptied);
  world.step();
  world.look({});
  EXPECT_TRUE(world.desk.progress().at(0).was_emptied);
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
        "limit=-1 since=1 until=2 by=a drain=b c", "limit=-1 since=1 until=2 by=caf\xe9 drain=b",
        "limit=-1 since=1 until=2 by=a drain=caf\xc3\xa9", "limit=-1 since=1 until=2 by=a\tb drain=b",
        "limit=-1 since=-9223372036854775808 until=2 by=a drain=b",
        "limit=-1 since=1 until=9223372036854775807 by=a drain=b"}) {
    EXPECT_FALSE(parse_gate_mark(text)) << text;
  }
}

}  // namespace
}  // namespace pgcurfew
