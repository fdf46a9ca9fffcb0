#include "watch/holds.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "watch/watch_harness.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::Contains;
using ::testing::Not;

constexpr MonotonicTime kLater(5s);

Holds with(std::initializer_list<Hold> standing) {
  Holds holds;
  for (const auto hold : standing) holds.set(hold, true, {}, {});
  return holds;
}

TEST(Holds, LetEverythingWhereNothingHolds) {
  EXPECT_TRUE(Holds().let(Activity::kRules));
  EXPECT_TRUE(Holds().let(Activity::kDrains));
}

TEST(Holds, StopWhatTheyStop) {
  for (const auto hold : {Hold::kDown, Hold::kGivenUp, Hold::kClockUnasked, Hold::kClockJumped}) {
    EXPECT_FALSE(with({hold}).let(Activity::kRules)) << name_of(hold);
    EXPECT_FALSE(with({hold}).let(Activity::kDrains)) << name_of(hold);
  }
  for (const auto hold :
       {Hold::kLooksFail, Hold::kNoReadAllStats, Hold::kNoSignal, Hold::kHidden, Hold::kNameless,
        Hold::kWaitsFail, Hold::kGatesFail, Hold::kBreakerOpen, Hold::kTenantBreakerOpen}) {
    EXPECT_TRUE(with({hold}).let(Activity::kRules)) << name_of(hold);
    EXPECT_TRUE(with({hold}).let(Activity::kDrains)) << name_of(hold);
  }
}

TEST(Holds, AStopLetsDrainsGiveBackWhateverTheClockSays) {
  EXPECT_FALSE(with({Hold::kStopping}).let(Activity::kRules));
  EXPECT_TRUE(with({Hold::kStopping}).let(Activity::kDrains));
  EXPECT_TRUE(with({Hold::kStopping, Hold::kClockJumped, Hold::kClockUnasked}).let(Activity::kDrains));
  EXPECT_FALSE(with({Hold::kStopping, Hold::kDown}).let(Activity::kDrains));
}

TEST(Holds, KeepTheMomentAtWhichTheyBegan) {
  Holds holds;
  holds.set(Hold::kHidden, true, MonotonicTime(1s), WallTime(100s), "3 sessions hidden");
  holds.set(Hold::kHidden, true, MonotonicTime(2s), WallTime(101s), "4 sessions hidden");
  ASSERT_EQ(holds.all().size(), 1U);
  EXPECT_EQ(holds.all()[0].since, WallTime(100s));
  EXPECT_EQ(holds.all()[0].text, "4 sessions hidden");
  EXPECT_EQ(holds.set(Hold::kHidden, false, kLater, {}), Duration(4s));
  EXPECT_EQ(holds.set(Hold::kHidden, false, kLater, {}), std::nullopt) << "it has ended before";
}

TEST(Holds, WhatWasNotToldEndsWithoutAWord) {
  Holds holds;
  holds.set(Hold::kWaitsFail, true, {}, {}, {}, false);
  EXPECT_EQ(holds.set(Hold::kWaitsFail, false, kLater, {}), std::nullopt);
  holds.set(Hold::kWaitsFail, true, {}, {}, {}, false);
  holds.set(Hold::kWaitsFail, true, {}, {}, {}, true);
  EXPECT_EQ(holds.set(Hold::kWaitsFail, false, kLater, {}), Duration(5s));
}

TEST(Holds, AreShownAllAtATime) {
  Harness h;
  EXPECT_EQ(h.holds(), "");
  h.happen(happening::Tick{});
  EXPECT_EQ(h.holds(), "out of reach");
  h.happen(happening::Connected{});
  h.happen(happening::LookFailed{{"permission denied", {}, {}, "42501"}});
  h.happen(happening::StopAsked{});
  EXPECT_EQ(h.holds(),
            "stopping, clock not asked yet, cannot look, lacks pg_read_all_stats, lacks pg_signal_backend");
}

TEST(Holds, AJumpOfTheClockIsShownUntilItIsTrustedAgain) {
  Harness h;
  h.connect();
  h.look({});
  EXPECT_EQ(h.holds(), "");
  h.skew = 1h;
  h.tick(9s);
  h.look({});
  EXPECT_EQ(h.holds(), "clock jumped");
  for (int look = 0; look < 2; ++look) {
    h.tick(h.now + 1s);
    h.look({});
  }
  EXPECT_EQ(h.holds(), "");
}

TEST(Holds, WhatWasToldHasAnEndThatIsTold) {
  Harness h;
  h.connect();
  const auto look = [&](std::size_t hidden) {
    Look seen;
    seen.number = h.look_number;
    seen.taken_at = h.server_now();
    seen.hidden = hidden;
    h.happen(happening::LookTaken{seen});
  };
  look(3);
  EXPECT_THAT(h.told_kinds(), Contains("blind"));
  EXPECT_EQ(h.holds(), "3 sessions hidden");
  EXPECT_THAT(h.told_kinds(), Not(Contains("hold_over")));
  h.tick(9s);
  look(0);
  EXPECT_EQ(h.holds(), "");
  ASSERT_EQ(h.told.back().kind, Kind::kHoldOver);
  EXPECT_EQ(text_field(h.told.back(), "hold"), "hidden");
}

}  // namespace
}  // namespace pgcurfew::testing
