#include <gmock/gmock.h>

#include "drains/drain_fixture.hpp"

/// What a drain reports: remaining sessions, obstacles, and how it ended.
namespace pgcurfew {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using World = DrainWorld;

const Event& last(const World& world, const std::string& kind) {
  static const Event kNone{Kind::kStopped};
  for (auto event = world.events.rbegin(); event != world.events.rend(); ++event) {
    if (name_of(event->kind) == kind) return *event;
  }
  ADD_FAILURE() << "nothing was told of " << kind;
  return kNone;
}

std::int64_t number_in(const Event& event, std::string_view name) {
  for (const auto& [field, value] : event.fields) {
    if (field == name) return std::get<std::int64_t>(value);
  }
  ADD_FAILURE() << "no field " << name;
  return -1;
}

TEST(DrainTold, APhaseIsToldWhenALookHasShownWhoIsLeft) {
  World world;
  world.look({active(1, -1s)});
  world.step();
  EXPECT_EQ(world.gates["app"].limit, 0);
  EXPECT_THAT(world.told(), Not(Contains("drain_phase"))) << "the look was older than the closed gate";
  EXPECT_FALSE(world.desk.progress().front().has_looked);
  EXPECT_EQ(world.desk.look_interval(), 200ms) << "somebody waits for it";
  world.go(100ms, {active(1, -1s), idle_in_transaction(2, -1s)});
  EXPECT_EQ(number_in(last(world, "drain_phase"), "remaining"), 2);
}

TEST(DrainTold, WhoMayBeExceptedOrElsewhereForAllThatIsKnownIsNamedAmongThoseWhoAreLeft) {
  auto plan = plan_of();
  plan.except = {exception_of_user("maintenance")};
  plan.give_up = GiveUp{5s, GiveUpAction::kReopen};
  for (const bool is_placed : {true, false}) {
    World world(plan);
    auto nameless = active(4711, -1s);
    if (is_placed) {
      nameless.user.reset();
      nameless.has_nameless_user = true;
    } else {
      nameless.database.reset();
      nameless.has_nameless_database = true;
    }
    for (const auto moment : {0s, 1s, 2s, 3s, 4s, 5s, 6s}) world.go(moment, {nameless});
    EXPECT_THAT(last(world, "drain_gave_up").message, HasSubstr("1 session: pid 4711"));
    EXPECT_THAT(last(world, "drain_gave_up").message, HasSubstr("is not known"));
    EXPECT_EQ(number_in(last(world, "drain_gave_up"), "remaining"), 1);
  }
}

TEST(DrainTold, WhoIsHiddenIsCountedAmongThoseWhoAreLeft) {
  auto plan = plan_of();
  plan.give_up = GiveUp{5s, GiveUpAction::kReopen};
  World world(plan);
  for (const auto moment : {0s, 1s, 2s, 5s, 6s}) {
    world.time = moment;
    world.step();
    Look seen;
    seen.taken_at = at(moment);
    seen.hidden = 3;
    world.show(std::move(seen));
    world.step();
  }
  EXPECT_THAT(last(world, "drain_gave_up").message, HasSubstr("0 sessions, 3 more that our role cannot see"));
}

TEST(DrainTold, WhatNoTimeWillMendIsKnownAtOnce) {
  const auto obstacle_of = [](const std::function<void(World&)>& prepare,
                              const std::string& database = "app") {
    World world(plan_of(database));
    prepare(world);
    world.go(0s, {});
    return world.desk.progress().front().obstacle.value_or(Error{});
  };
  EXPECT_EQ(obstacle_of([](World&) {}).message, "");
  EXPECT_EQ(obstacle_of([](World&) {}, "nosuch").sqlstate, "3D000");
  EXPECT_EQ(obstacle_of([](World&) {}, "postgres").sqlstate, "0A000");
  EXPECT_EQ(obstacle_of([](World& world) { world.gates["app"].access = GateAccess::kNone; }).sqlstate,
            "42501");
  EXPECT_EQ(obstacle_of([](World& world) { world.turns_fail = true; }).message, "") << "a lock passes";
  const auto malformed = obstacle_of([](World& world) { world.gates["app"].mark_text = "limit=; drop"; });
  EXPECT_EQ(malformed.sqlstate, "55000");
  EXPECT_THAT(malformed.detail, HasSubstr("limit=; drop"));
  const auto held = obstacle_of([](World& world) {
    auto& gate = world.gates["app"];
    gate.limit = 0;
    gate.mark = GateMark{"other", "them", -1, at(-1h), at(1h)};
    gate.mark_text = to_text(*gate.mark);
  });
  EXPECT_EQ(held.sqlstate, "55006");
  EXPECT_THAT(held.message, HasSubstr("app: drain other of them holds its gate"));
}

TEST(DrainTold, WhereOneOfTwoDatabasesIsMissingTheClosedGateOfTheOtherDoesNotHideIt) {
  auto plan = plan_of();
  plan.databases.push_back(TextPattern::parse("nosuch").value());
  World world(plan);
  world.go(0s, {});
  EXPECT_EQ(world.gates["app"].limit, 0);
  EXPECT_EQ(world.desk.progress().front().obstacle.value_or(Error{}).sqlstate, "3D000");
}

TEST(DrainTold, ARehearsalKnowsWhatWouldBeInItsWay) {
  auto plan = plan_of();
  plan.mode = Mode::kDryRun;
  World world(plan);
  world.gates["app"].access = GateAccess::kNone;
  world.go(0s, {active(1, -1s)});
  EXPECT_EQ(world.desk.progress().front().obstacle.value_or(Error{}).sqlstate, "42501");
}

TEST(DrainTold, OneWhoseGateNeverClosedSaysWhy) {
  World world;
  world.gates["app"].access = GateAccess::kNone;
  world.go(0s, {});
  world.go(10min, {});
  EXPECT_THAT(last(world, "drain_done").message,
              EndsWith("its time is over; its gate was never closed: app: our role may not close its gate"));
}

TEST(DrainTold, WhoWasThereAtTheEndThoughItHadBeenEmpty) {
  World world;
  for (const auto moment : {0s, 1s, 2s, 3s}) world.go(moment, {});
  EXPECT_THAT(world.told(), Contains("drain_empty"));
  auto superuser = active(7, 4s);
  superuser.key.backend_start = at(4s);
  world.go(5s, {superuser});
  ASSERT_THAT(world.orders, SizeIs(1));
  world.reply(world.orders[0], ReplyKind::kDenied);
  world.go(6s, {superuser});
  world.go(10min, {superuser});
  const auto& done = last(world, "drain_done");
  EXPECT_THAT(done.message, HasSubstr("at the end there was 1 session: pid 7"));
  EXPECT_THAT(done.message, HasSubstr("(denied)"));
  EXPECT_EQ(done.level, Level::kWarning);
  EXPECT_EQ(number_in(done, "remaining"), 1);
}

TEST(DrainTold, OneThatHoldsSaysThatItStaysClosed) {
  auto plan = plan_of();
  plan.reopens = false;
  World world(plan);
  for (const auto moment : {0s, 1s, 2s, 3s}) world.go(moment, {});
  world.go(10min, {});
  EXPECT_THAT(last(world, "drain_done").message,
              EndsWith("its time is over; app stays closed until \"pgcurfew reopen\""));
  world.go(12min, {});
  EXPECT_EQ(world.gates["app"].limit, 0);
  EXPECT_THAT(world.told(), Not(Contains("gate_found"))) << "we closed it ourselves";
}

TEST(DrainTold, ALeftGateIsReadAnewBeforeItIsGivenBack) {
  World world(plan_of("crm"));
  world.policy.drains.clear();
  world.desk.take_policy(std::make_shared<const Policy>(world.policy));
  auto& gate = world.gates["app"];
  gate.limit = 0;
  gate.mark = GateMark{"other", "them", -1, at(-1h), at(30s)};
  gate.mark_text = to_text(*gate.mark);
  world.go(0s, {});
  EXPECT_EQ(last(world, "gate_found").level, Level::kNotice);
  world.events.clear();
  gate.limit = -1;  // its owner opens it during the drain
  gate.mark.reset();
  gate.mark_text.clear();
  world.go(40s, {});
  EXPECT_THAT(world.told(), IsEmpty());
  EXPECT_THAT(world.turned, IsEmpty());
}

TEST(DrainTold, WhyItWasStopped) {
  World world;
  world.go(0s, {});
  world.desk.stop("the command has ended");
  world.step();
  EXPECT_THAT(last(world, "drain_done").message, HasSubstr("is over: the command has ended"));
}

}  // namespace
}  // namespace pgcurfew
