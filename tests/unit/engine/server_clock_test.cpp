#include "engine/server_clock.hpp"

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

using Sample = ServerClockEstimate::Sample;

MonotonicTime mono(Duration time) {
  return MonotonicTime(time);
}

TEST(ServerClock, IsNeverAheadOfTheServer) {
  ServerClockEstimate clock;
  // sent at 1 s, the server read its clock somewhere in between, received at 1.1 s
  clock.observe(mono(1s), mono(1100ms), at(1h), true);
  EXPECT_LE(clock.at(mono(1100ms)), at(1h));
  EXPECT_EQ(clock.when(clock.at(mono(5s))), mono(5s));
}

TEST(ServerClock, KeepsTheNarrowestSample) {
  ServerClockEstimate clock;
  clock.observe(mono(1s), mono(1s + 100us), at(1h), true);
  const auto before = clock.at(mono(2s));
  clock.observe(mono(2s), mono(3s), at(1h + 1500ms), false);  // a slow reply is imprecise
  EXPECT_EQ(clock.at(mono(2s)), before);
}

TEST(ServerClock, AJumpTakesTrustAwayUntilTwoLooksAgree) {
  for (const Duration jump : {Duration(10s), Duration(-10s)}) {
    ServerClockEstimate clock;
    EXPECT_EQ(clock.observe(mono(1s), mono(1s), at(0s), true), Sample::kAgrees);
    EXPECT_TRUE(clock.is_trusted());
    EXPECT_EQ(clock.observe(mono(2s), mono(2s), at(1s) + jump, true), Sample::kJumped);
    EXPECT_FALSE(clock.is_trusted());
    clock.observe(mono(3s), mono(3s), at(2s) + jump, false);
    EXPECT_FALSE(clock.is_trusted()) << "only a look restores it";
    clock.observe(mono(4s), mono(4s), at(3s) + jump, true);
    EXPECT_TRUE(clock.is_trusted());
  }
}

TEST(ServerClock, ASlowReplyIsNoJump) {
  ServerClockEstimate clock;
  clock.observe(mono(1s), mono(1s), at(0s), true);
  EXPECT_EQ(clock.observe(mono(2s), mono(62s), at(1s), true), Sample::kAgrees);
  EXPECT_TRUE(clock.is_trusted());
}

TEST(ServerClock, DriftIsNoJumpAndIsFollowed) {
  ServerClockEstimate clock;
  Duration server = 0s;
  for (int i = 0; i < 1000; ++i) {
    const auto now = mono(i * 10s);
    EXPECT_EQ(clock.observe(now, now + 100us, at(server), i % 10 == 0), Sample::kAgrees);
    server += 10s + 2ms;  // 200 ppm
  }
  const auto last = mono(9990s + 100us);
  EXPECT_LE(clock.at(last), at(server - 10s - 2ms));
  EXPECT_GE(clock.at(last), at(server - 10s - 2ms - 20ms));
}

}  // namespace
}  // namespace pgcurfew::testing
