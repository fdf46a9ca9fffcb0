#include <gmock/gmock.h>

#include "watch/watch_harness.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

Policy policy_with_a_drain(Duration begins = 0s) {
  auto policy = policy_of("");
  Drain plan;
  plan.name = "d";
  plan.databases = {TextPattern::parse("app").value()};
  plan.begins = at(begins);
  plan.duration = 10min;
  plan.mode = Mode::kEnforce;
  policy.drains = {plan};
  return policy;
}

Gates gates_of(ServerTime taken_at) {
  Gates gates;
  gates.taken_at = taken_at;
  gates.own_database = "postgres";
  Gate app;
  app.database = "app";
  app.access = GateAccess::kMark;
  gates.gates = {app};
  return gates;
}

TEST(WatchDrains, OneThatIsGivenUpHasStoppedThoughAGateIsStillClosed) {
  Harness h(policy_with_a_drain());
  h.connect();
  h.now = 1s;
  h.look({});
  EXPECT_TRUE(wants<command::TurnGate>(h.happen(happening::GatesRead{gates_of(h.server_now())})));
  h.happen(happening::StopAsked{});
  EXPECT_FALSE(h.watch.is_stopped()) << "the gate is on its way to be closed";
  EXPECT_FALSE(wants<command::TurnGate>(h.happen(happening::GivenUp{})));
  EXPECT_TRUE(h.watch.is_stopped());
  EXPECT_EQ(h.watch.wake_at(), std::nullopt);
  EXPECT_THAT(h.tick(10s), ElementsAre());
}

TEST(WatchDrains, ReportsOnceAMinuteThatGatesCannotBeRead) {
  Harness h;
  h.connect();
  const auto fail = [&](Duration time) {
    h.now = time;
    h.look({});  // without one, the connection would be closed
    h.happen(happening::GatesFailed{{"permission denied for table pg_db_role_setting", {}, {}, "42501"}});
    return std::ranges::count(h.told_kinds(), "gates_failed");
  };
  EXPECT_EQ(fail(1s), 1);
  EXPECT_EQ(fail(6s), 1);
  EXPECT_EQ(fail(61s), 2);
  h.happen(happening::GatesRead{gates_of(h.server_now())});
  EXPECT_EQ(fail(62s), 3) << "it is news again";
}

TEST(WatchDrains, NothingBeginsByAClockThatWasNotReadSinceTheConnectionCameBack) {
  Harness h(policy_with_a_drain(1min));
  h.connect();
  h.look({});
  h.happen(happening::ConnectionLost{failure("gone").value()});
  // set back while it could not be read: by our last estimate, the drain's window has begun
  h.now = 70s;
  h.skew = -30s;
  h.connect();
  EXPECT_THAT(h.told_kinds(), Not(Contains("drain_began")));
  h.look({});
  h.now = 89s;
  h.look({});
  EXPECT_THAT(h.told_kinds(), Not(Contains("drain_began")));
  h.tick(91s);
  h.look({});
  EXPECT_THAT(h.told_kinds(), Contains("drain_began"));
}

TEST(WatchDrains, NothingBeginsByAClockThatWasNotReadForLong) {
  Harness h(policy_with_a_drain(1min));
  h.connect();
  h.look({});
  // set back while we were stopped: by our last estimate, the drain's window has begun
  h.skew = -30s;
  EXPECT_TRUE(wants<command::TakePulse>(h.tick(62s)));
  EXPECT_THAT(h.told_kinds(), Not(Contains("drain_began")));
  h.happen(happening::Pulsed{h.server_now()});
  for (h.now = 63s; h.now < 89s; h.now += 5s) h.look({});
  EXPECT_THAT(h.told_kinds(), Not(Contains("drain_began")));
  h.now = 91s;
  h.look({});
  EXPECT_THAT(h.told_kinds(), Contains("drain_began"));
}

}  // namespace
}  // namespace pgcurfew::testing
