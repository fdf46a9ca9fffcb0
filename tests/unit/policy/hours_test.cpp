#include "policy/hours.hpp"

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "policy/hours_fixture.hpp"
#include "policy/processor_time.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

/// `2026-11-23 08:00 to 2026-11-23 18:00` in UTC; `never`.
std::string text_of(const std::optional<Interval>& interval) {
  if (!interval) return "never";
  return to_text(interval->start).substr(0, 16) + " to " + to_text(interval->end).substr(0, 16);
}

Hours during(std::vector<Window> windows) {
  return {std::move(windows), {}};
}

TEST(NextInterval, IsOpenFromItsStartUntilJustBeforeItsEnd) {
  const auto hours = during({window(kWorkdays, 8h, 18h, "Europe/Vienna")});
  EXPECT_FALSE(hours.is_open(utc(2026, 11, 23, 7) - 1us));
  EXPECT_TRUE(hours.is_open(utc(2026, 11, 23, 7)));
  EXPECT_TRUE(hours.is_open(utc(2026, 11, 23, 17) - 1us));
  EXPECT_FALSE(hours.is_open(utc(2026, 11, 23, 17)));
  EXPECT_FALSE(hours.is_open(utc(2026, 11, 22, 10)));  // a Sunday
}

TEST(NextInterval, IsTheRunningOneOrTheNext) {
  const auto office = window(kWorkdays, 8h, 18h, "Europe/Vienna");
  EXPECT_EQ(text_of(next_interval(office, utc(2026, 11, 23, 10))), "2026-11-23 07:00 to 2026-11-23 17:00");
  EXPECT_EQ(text_of(next_interval(office, utc(2026, 11, 23, 17))), "2026-11-24 07:00 to 2026-11-24 17:00");
  EXPECT_EQ(text_of(next_interval(office, utc(2026, 11, 27, 17))), "2026-11-30 07:00 to 2026-11-30 17:00");
}

TEST(NextInterval, BelongsToTheDayOnWhichItBeginsWhenItCrossesMidnight) {
  const auto night = window(days({4}), 22h, 6h, "UTC");  // Friday
  EXPECT_EQ(text_of(next_interval(night, utc(2026, 11, 28, 5, 59))), "2026-11-27 22:00 to 2026-11-28 06:00");
  EXPECT_EQ(text_of(next_interval(night, utc(2026, 11, 27, 5))), "2026-11-27 22:00 to 2026-11-28 06:00");
  EXPECT_EQ(text_of(next_interval(night, utc(2026, 11, 28, 6))), "2026-12-04 22:00 to 2026-12-05 06:00");
}

TEST(NextInterval, LastsADayWhereBothEndsAreTheSame) {
  const auto day = window(days({6}), 2h, 2h, "UTC");
  EXPECT_EQ(text_of(next_interval(day, utc(2026, 11, 23))), "2026-11-22 02:00 to 2026-11-23 02:00");
  const auto midnight = window(days({6}), 0h, 0h, "UTC");
  EXPECT_EQ(text_of(next_interval(midnight, utc(2026, 11, 22))), "2026-11-22 00:00 to 2026-11-23 00:00");
}

TEST(NextInterval, EndsAtMidnight) {
  const auto evening = window(days({0}), 20h, 24h, "Europe/Vienna");
  EXPECT_EQ(text_of(next_interval(evening, utc(2026, 11, 23))), "2026-11-23 19:00 to 2026-11-23 23:00");
}

TEST(NextInterval, BeginsRightAfterTheGapThatItsStartFallsInto) {
  EXPECT_EQ(text_of(next_interval(window(kEveryDay, 2h + 30min, 4h, "Europe/Vienna"), utc(2026, 3, 29))),
            "2026-03-29 01:00 to 2026-03-29 02:00");
  EXPECT_EQ(
      text_of(next_interval(window(kEveryDay, 2h + 15min, 4h, "Australia/Lord_Howe"), utc(2026, 10, 3, 12))),
      "2026-10-03 15:30 to 2026-10-03 17:00");
}

TEST(NextInterval, EndsWhereTheGapBeginsThatItsEndFallsInto) {
  EXPECT_EQ(text_of(next_interval(window(kEveryDay, 1h, 2h + 30min, "Europe/Vienna"), utc(2026, 3, 28, 12))),
            "2026-03-29 00:00 to 2026-03-29 01:00");
}

TEST(NextInterval, IsLeftOutWhereAGapSwallowsIt) {
  EXPECT_EQ(text_of(next_interval(window(kEveryDay, 2h, 3h, "Europe/Vienna"), utc(2026, 3, 29))),
            "2026-03-30 00:00 to 2026-03-30 01:00");
  EXPECT_EQ(
      text_of(next_interval(window(kEveryDay, 2h + 10min, 2h + 20min, "Europe/Vienna"), utc(2026, 3, 29))),
      "2026-03-30 00:10 to 2026-03-30 00:20");
}

TEST(NextInterval, HasARepeatedHourAsAWhole) {
  EXPECT_EQ(text_of(next_interval(window(kEveryDay, 2h, 3h, "Europe/Vienna"), utc(2026, 10, 24, 12))),
            "2026-10-25 00:00 to 2026-10-25 02:00");
  EXPECT_EQ(text_of(next_interval(window(kEveryDay, 2h + 30min, 4h, "Europe/Vienna"), utc(2026, 10, 24, 12))),
            "2026-10-25 00:30 to 2026-10-25 03:00");
  EXPECT_EQ(text_of(next_interval(window(kEveryDay, 1h, 2h + 30min, "Europe/Vienna"), utc(2026, 10, 24, 12))),
            "2026-10-24 23:00 to 2026-10-25 01:30");
  EXPECT_EQ(text_of(next_interval(window(kEveryDay, 1h + 15min, 1h + 45min, "America/New_York"),
                                  utc(2026, 10, 31, 12))),
            "2026-11-01 05:15 to 2026-11-01 06:45");
}

TEST(NextInterval, EndsBeforeAnHourThatIsRepeatedAndNotItsOwn) {
  EXPECT_EQ(text_of(next_interval(window(kEveryDay, 22h, 2h, "Europe/Vienna"), utc(2026, 10, 24, 12))),
            "2026-10-24 20:00 to 2026-10-25 00:00");
  EXPECT_EQ(text_of(next_interval(window(kEveryDay, 20h, 24h, "America/Havana"), utc(2026, 10, 31, 12))),
            "2026-11-01 00:00 to 2026-11-01 04:00");
}

TEST(NextInterval, IsCutByADayThatAZoneSkipped) {
  // Pacific/Apia had no Friday, 2011-12-30; Thursday ended at 10:00 UTC
  const auto* const apia = "Pacific/Apia";
  EXPECT_EQ(text_of(next_interval(window(days({3}), 22h, 6h, apia), utc(2011, 12, 30))),
            "2011-12-30 08:00 to 2011-12-30 10:00");
  EXPECT_EQ(text_of(next_interval(window(days({4}), 22h, 6h, apia), utc(2011, 12, 30))),
            "2011-12-30 10:00 to 2011-12-30 16:00");
  EXPECT_EQ(text_of(next_interval(window(days({4}), 8h, 18h, apia), utc(2011, 12, 30))),
            "2012-01-05 18:00 to 2012-01-06 04:00");
}

TEST(NextInterval, KnowsYesterdaysWhereClocksAreSetBackAcrossMidnight) {
  // one minute after midnight it was 23:01 again, so at 00:00:30 of the 29th the 28th was yet to end
  const auto evening = window(days({4}), 23h + 45min, 23h + 30min, "America/Goose_Bay");
  const auto interval = next_interval(evening, utc(2006, 10, 29, 3) + 30s);
  EXPECT_EQ(text_of(interval), "2006-10-28 02:45 to 2006-10-29 03:30");
}

TEST(NextInterval, IsNeverOnNoDay) {
  EXPECT_EQ(text_of(next_interval(window({}, 8h, 18h, "UTC"), utc(2026, 11, 23))), "never");
}

TEST(NextInterval, GoesOnBeyond2037) {
  const auto office = window(kWorkdays, 8h, 18h, "Europe/Vienna");
  EXPECT_EQ(text_of(next_interval(office, utc(2038, 7, 1))), "2038-07-01 06:00 to 2038-07-01 16:00");
  EXPECT_EQ(text_of(next_interval(office, utc(2050, 7, 1))), "2050-07-01 06:00 to 2050-07-01 16:00");
  EXPECT_EQ(text_of(next_interval(office, utc(2050, 1, 3))), "2050-01-03 07:00 to 2050-01-03 17:00");
}

TEST(Hours, AreAlwaysOpenWithoutWindows) {
  EXPECT_TRUE(Hours{}.is_empty());
  EXPECT_TRUE(Hours{}.is_open(utc(2026, 11, 23)));
  EXPECT_EQ(text_of(Hours{}.next_open(utc(2026, 11, 23))), "2026-11-23 00:00 to 2027-11-24 00:00");
}

TEST(Hours, AreOpenInAnyOfSeveralWindows) {
  const auto hours = during({window(days({0}), 8h, 10h, "UTC"), window(days({0}), 14h, 16h, "UTC")});
  EXPECT_TRUE(hours.is_open(utc(2026, 11, 23, 9)));
  EXPECT_FALSE(hours.is_open(utc(2026, 11, 23, 12)));
  EXPECT_TRUE(hours.is_open(utc(2026, 11, 23, 15)));
  EXPECT_EQ(text_of(hours.next_open(utc(2026, 11, 23, 12))), "2026-11-23 14:00 to 2026-11-23 16:00");
}

TEST(Hours, JoinWindowsThatOverlapOrTouch) {
  const auto hours = during({window(days({0}), 12h, 18h, "UTC"), window(days({0}), 8h, 10h, "UTC"),
                             window(days({0}), 9h, 12h, "UTC"), window(days({0}), 9h, 9h + 30min, "UTC")});
  EXPECT_EQ(text_of(hours.next_open(utc(2026, 11, 23))), "2026-11-23 08:00 to 2026-11-23 18:00");
  EXPECT_EQ(text_of(hours.next_open(utc(2026, 11, 23, 9, 45))), "2026-11-23 09:45 to 2026-11-23 18:00");
  EXPECT_EQ(text_of(hours.next_open(utc(2026, 11, 23, 18))), "2026-11-30 08:00 to 2026-11-30 18:00");
}

TEST(Hours, LeaveOutWhatNotDuringNames) {
  const Hours hours{{window(kWorkdays, 8h, 18h, "UTC")}, {window(kEveryDay, 12h, 13h, "UTC")}};
  EXPECT_EQ(text_of(hours.next_open(utc(2026, 11, 23))), "2026-11-23 08:00 to 2026-11-23 12:00");
  EXPECT_EQ(text_of(hours.next_open(utc(2026, 11, 23, 12))), "2026-11-23 13:00 to 2026-11-23 18:00");
  EXPECT_FALSE(hours.is_open(utc(2026, 11, 23, 12, 30)));
}

TEST(Hours, AreOpenButForNotDuringWhereThatStandsAlone) {
  const Hours hours{{}, {window(kWorkdays, 8h, 18h, "UTC")}};
  EXPECT_FALSE(hours.is_empty());
  EXPECT_EQ(text_of(hours.next_open(utc(2026, 11, 23, 9))), "2026-11-23 18:00 to 2026-11-24 08:00");
  EXPECT_EQ(text_of(hours.next_open(utc(2026, 11, 27, 19))), "2026-11-27 19:00 to 2026-11-30 08:00");
}

TEST(Hours, NeverOpenWhereNotDuringCoversAll) {
  const auto office = window(kWorkdays, 8h, 18h, "Europe/Vienna");
  EXPECT_EQ(text_of(Hours{{office}, {office}}.next_open(utc(2026, 11, 23))), "never");
  EXPECT_EQ(text_of(Hours{{office}, {window(kEveryDay, 0h, 24h, "UTC")}}.next_open(utc(2026, 11, 23))),
            "never");
  EXPECT_EQ(text_of(Hours{{}, {window(kEveryDay, 5h, 5h, "UTC")}}.next_open(utc(2026, 11, 23))), "never");
  EXPECT_EQ(text_of(during({window({}, 8h, 18h, "UTC")}).next_open(utc(2026, 11, 23))), "never");
}

TEST(Hours, OpenWhereTwoZonesLeaveAGapForTwoWeeksOfTheYearOnly) {
  // New York is five hours behind Vienna instead of six while only one of them has changed its clocks
  const Hours hours{{window(kEveryDay, 18h, 19h, "Europe/Vienna")},
                    {window(kEveryDay, 12h, 13h, "America/New_York")}};
  EXPECT_EQ(text_of(hours.next_open(utc(2026, 11, 23))), "2027-03-14 17:00 to 2027-03-14 18:00");
}

TEST(Hours, ThatNeverCloseAreOpenForMoreThanAWeekWithoutEnd) {
  for (const auto& hours :
       {during({window(kEveryDay, 0h, 24h, "UTC")}), during({window(kEveryDay, 7h, 7h, "UTC")}),
        during({window(kWorkdays, 0h, 24h, "UTC"), window(days({5, 6}), 0h, 24h, "UTC")})}) {
    auto time = utc(2026, 11, 23, 7, 30);
    for (int i = 0; i < 3; ++i) {
      const auto open = hours.next_open(time);
      ASSERT_TRUE(open);
      EXPECT_EQ(open->start, time);
      EXPECT_GE(open->end - open->start, 8 * 24h);
      EXPECT_LE(open->end - open->start, 9 * 24h);
      time = open->end;
    }
  }
}

TEST(Hours, HaveAnAnswerAtTheEndsOfTime) {
  const Hours hours{{window(kWorkdays, 8h, 18h, "Europe/Vienna")},
                    {window(kEveryDay, 12h, 13h, "Europe/Vienna")}};
  EXPECT_TRUE(hours.next_open(ServerTime::min()));
  EXPECT_FALSE(hours.is_open(ServerTime::max()));
  EXPECT_EQ(text_of(hours.next_open(ServerTime::max())), "never");
}

/// The cost of a call as a multiple of one look-up in a zone. The machine's speed does not matter, nor does
/// other work on it, because processor time counts, and the best of several measurements of each.
template <class Call>
double lookups_of(const Call& call) {
  const auto zone = zone_of("Europe/Vienna");
  auto best_lookups = std::chrono::nanoseconds::max();
  auto best_calls = std::chrono::nanoseconds::max();
  for (int round = 0; round < 5; ++round) {
    const auto begin = processor_time();
    std::int64_t sink = 0;
    for (int i = 0; i < 400; ++i) sink += zone.civil_at(utc(2026, 11, 23) + i * 1h).day;
    const auto middle = processor_time();
    for (int i = 0; i < 400; ++i) sink += call(utc(2026, 11, 23) + i * 1h);
    const auto end = processor_time();
    EXPECT_NE(sink, 0);
    best_lookups = std::min(best_lookups, middle - begin);
    best_calls = std::min(best_calls, end - middle);
  }
  return std::chrono::duration<double>(best_calls) / best_lookups;
}

TEST(Hours, AnswerAtTheCostOfSomeLookupsInAZone) {
  std::vector<Window> many;
  for (std::size_t day = 0; day < 5; ++day) many.push_back(window(days({day}), 8h, 18h, "Europe/Vienna"));
  const auto always = during({window(kEveryDay, 0h, 24h, "Europe/Vienna")});
  const auto open = [](const Hours& hours) { return [&](ServerTime t) { return hours.is_open(t) ? 2 : 1; }; };
  const auto next = [](const Hours& hours) {
    return [&](ServerTime t) { return hours.next_open(t) ? 2 : 1; };
  };
  const auto workdays = during(many);
  // about 35 and 100 in truth; a walk through all days of a year would be 700 for each window
  EXPECT_LT(lookups_of(open(workdays)), 150);
  EXPECT_LT(lookups_of(next(workdays)), 400);
  EXPECT_LT(lookups_of(next(always)), 400);
}

TEST(Hours, CostTheSameInWhateverOrderTheirWindowsStand) {
  std::vector<Window> minutes;
  for (auto minute = 0min; minute < 120min; minute += 1min) {
    minutes.push_back(window(kEveryDay, 11h + minute, 11h + minute + 1min, "Europe/Vienna"));
  }
  const auto forwards = during(minutes);
  std::reverse(minutes.begin(), minutes.end());
  const auto backwards = during(minutes);
  const auto next = [](const Hours& hours) {
    return [&](ServerTime t) { return hours.next_open(t) ? 2 : 1; };
  };
  EXPECT_EQ(backwards.next_open(utc(2026, 11, 23)), (Interval{utc(2026, 11, 23, 10), utc(2026, 11, 23, 12)}));
  EXPECT_LT(lookups_of(next(backwards)), 5 * lookups_of(next(forwards)));
}

}  // namespace
}  // namespace pgcurfew::testing
