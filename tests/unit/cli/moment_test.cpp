#include "cli/moment.hpp"

#include <cstdlib>
#include <ctime>

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;

/// 2026-11-30 14:03:05 UTC, 15:03:05 in Vienna.
constexpr WallTime kNow(1'796'047'385s);

class MomentTest : public ::testing::Test {
 protected:
  MomentTest() {
    setenv("TZ", "Europe/Vienna", 1);
    tzset();
  }
  ~MomentTest() override {
    unsetenv("TZ");
    tzset();
  }
  MomentTest(const MomentTest&) = delete;
  MomentTest& operator=(const MomentTest&) = delete;

  static WallTime at(std::string_view text) { return parse_moment(text, kNow).value(); }
};

TEST_F(MomentTest, CanBeHowLongAgo) {
  EXPECT_EQ(at("2h"), kNow - 2h);
  EXPECT_EQ(at("1d 30min"), kNow - 24h - 30min);
}

TEST_F(MomentTest, CanBeALocalTime) {
  EXPECT_EQ(at("15:03:05"), kNow);
  EXPECT_EQ(at("15:00"), kNow - 3min - 5s);
  EXPECT_EQ(at("2026-11-30 15:03:05"), kNow);
  EXPECT_EQ(at("2026-11-30 15:03"), kNow - 5s);
  EXPECT_EQ(at("2026-11-30"), kNow - 15h - 3min - 5s);
}

TEST_F(MomentTest, AnHourThatIsStillToComeIsYesterdays) {
  EXPECT_EQ(at("15:04"), kNow - 24h + 55s);
  EXPECT_EQ(at("23:00"), kNow - 24h + 7h + 56min + 55s);
}

TEST_F(MomentTest, AnHourOfAnEndIsNotBeforeTheBeginning) {
  const auto until = [](std::string_view text, Duration since) {
    return parse_moment(text, kNow, kNow - since).value();
  };
  EXPECT_EQ(until("15:10", 3min), kNow + 6min + 55s);
  EXPECT_EQ(until("00:10", 5min), kNow + 9h + 6min + 55s);
  EXPECT_EQ(until("00:10", 24h), kNow - 14h - 53min - 5s);
  EXPECT_EQ(until("15:10", 48h), kNow - 24h + 6min + 55s);
}

TEST_F(MomentTest, CanBeATimeOfTheLog) {
  EXPECT_EQ(at("2026-11-30T14:03:05.000Z"), kNow);
}

TEST_F(MomentTest, IsNothingElse) {
  for (const char* text : {"", "now", "2", "25:00", "15:03:05x", "2026-11-31x", "30.11.2026", "-2h"}) {
    const auto moment = parse_moment(text, kNow);
    EXPECT_FALSE(moment) << text;
    if (!moment) EXPECT_FALSE(moment.error().hint.empty());
  }
}

TEST_F(MomentTest, IsShownWithoutTheDateOfToday) {
  EXPECT_EQ(local_text(kNow, kNow), "15:03:05");
  EXPECT_EQ(local_text(kNow - 16h, kNow), "2026-11-29 23:03:05");
}

}  // namespace
}  // namespace pgcurfew
