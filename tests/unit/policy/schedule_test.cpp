#include "policy/schedule.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;

ServerTime instant(const std::string& zone, int year, int month, int day, Duration time) {
  CivilTime civil{year, month, day};
  civil.since_midnight = time;
  return TimeZone::load(zone)->first_instant_of(civil);
}

/// The next beginnings after a moment, as the wall shows them.
std::vector<std::string> next(const std::string& cron, const std::string& zone, ServerTime after, int count) {
  const auto schedule = CronSchedule::parse(cron);
  if (!schedule) return {schedule.error().message};
  const auto time_zone = *TimeZone::load(zone);
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    const auto time = schedule->next_after(after, time_zone);
    if (!time) return texts;
    texts.push_back(time_zone.to_text(*time));
    after = *time;
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST(CronSchedule, TakesDaysOfTheWeekByNameAndNumber) {
  const auto monday = instant("Europe/Vienna", 2026, 11, 23, 12h);
  const Texts sundays{"Sun 2026-11-29 02:00 CET", "Sun 2026-12-06 02:00 CET"};
  EXPECT_EQ(next("0 2 * * sun", "Europe/Vienna", monday, 2), sundays);
  EXPECT_EQ(next("0 2 * * 0", "Europe/Vienna", monday, 2), sundays);
  EXPECT_EQ(next(" 0  2 * * 7 ", "Europe/Vienna", monday, 2), sundays);
  EXPECT_EQ(next("30 22 * * fri-sun", "UTC", instant("UTC", 2026, 11, 23, 0h), 4),
            (Texts{"Fri 2026-11-27 22:30 UTC", "Sat 2026-11-28 22:30 UTC", "Sun 2026-11-29 22:30 UTC",
                   "Fri 2026-12-04 22:30 UTC"}));
}

TEST(CronSchedule, BeginsLaterThanTheMomentAskedFor) {
  const auto at = instant("UTC", 2026, 11, 23, 2h);
  EXPECT_EQ(next("0 2 * * *", "UTC", at, 1), Texts{"Tue 2026-11-24 02:00 UTC"});
  EXPECT_EQ(next("0 2 * * *", "UTC", at - 1us, 1), Texts{"Mon 2026-11-23 02:00 UTC"});
}

TEST(CronSchedule, TakesStepsRangesAndLists) {
  const auto at = instant("UTC", 2026, 11, 23, 0h);
  EXPECT_EQ(next("*/20 8-9 * * *", "UTC", at, 7),
            (Texts{"Mon 2026-11-23 08:00 UTC", "Mon 2026-11-23 08:20 UTC", "Mon 2026-11-23 08:40 UTC",
                   "Mon 2026-11-23 09:00 UTC", "Mon 2026-11-23 09:20 UTC", "Mon 2026-11-23 09:40 UTC",
                   "Tue 2026-11-24 08:00 UTC"}));
  EXPECT_EQ(next("5,50/5 0 1 jan,JUL *", "UTC", at, 4),
            (Texts{"Fri 2027-01-01 00:05 UTC", "Fri 2027-01-01 00:50 UTC", "Fri 2027-01-01 00:55 UTC",
                   "Thu 2027-07-01 00:05 UTC"}));
}

TEST(CronSchedule, EitherDayIsEnoughWhereBothAreRestricted) {
  EXPECT_EQ(next("0 0 13 * fri", "UTC", instant("UTC", 2026, 11, 10, 0h), 3),
            (Texts{"Fri 2026-11-13 00:00 UTC", "Fri 2026-11-20 00:00 UTC", "Fri 2026-11-27 00:00 UTC"}));
  EXPECT_EQ(next("0 0 13 * fri", "UTC", instant("UTC", 2026, 12, 11, 0h), 1),
            Texts{"Sun 2026-12-13 00:00 UTC"});
}

TEST(CronSchedule, WaitsForALeapYearAndKnowsWhatNeverComes) {
  EXPECT_EQ(next("0 0 29 feb *", "UTC", instant("UTC", 2026, 1, 1, 0h), 1),
            Texts{"Tue 2028-02-29 00:00 UTC"});
  EXPECT_EQ(next("0 0 30 2 *", "UTC", instant("UTC", 2026, 1, 1, 0h), 1), Texts{});
}

TEST(CronSchedule, ASkippedTimeBeginsRightAfterTheGapAndARepeatedOneOnce) {
  EXPECT_EQ(next("30 2 * * *", "Europe/Vienna", instant("Europe/Vienna", 2026, 3, 28, 12h), 2),
            (Texts{"Sun 2026-03-29 03:00 CEST", "Mon 2026-03-30 02:30 CEST"}));
  EXPECT_EQ(next("30 2 * * *", "Europe/Vienna", instant("Europe/Vienna", 2026, 10, 24, 12h), 2),
            (Texts{"Sun 2026-10-25 02:30 CEST", "Mon 2026-10-26 02:30 CET"}));
}

TEST(CronSchedule, ManyWithinAGapBeginOnce) {
  EXPECT_EQ(next("*/15 2 * * *", "Europe/Vienna", instant("Europe/Vienna", 2026, 3, 28, 12h), 2),
            (Texts{"Sun 2026-03-29 03:00 CEST", "Mon 2026-03-30 02:00 CEST"}));
}

TEST(CronSchedule, ADayThatAZoneSkippedIsNoOtherDay) {
  EXPECT_EQ(next("0 12 30 12 *", "Pacific/Apia", instant("Pacific/Apia", 2011, 12, 1, 0h), 1),
            Texts{"Sun 2012-12-30 12:00 +14"});
}

TEST(CronSchedule, IsWhatWalkingOverAllWallTimesFinds) {
  struct Place {
    const char* zone;
    int year, month, day;  ///< clocks change about then
  };
  constexpr Place kPlaces[] = {{"Europe/Vienna", 2026, 3, 29},      {"Europe/Vienna", 2026, 10, 25},
                               {"America/Sao_Paulo", 2017, 10, 15}, {"Pacific/Apia", 2011, 12, 30},
                               {"Australia/Lord_Howe", 2026, 4, 5}, {"Africa/Cairo", 2024, 10, 31}};
  for (const auto& place : kPlaces) {
    const auto zone = *TimeZone::load(place.zone);
    for (const auto* cron : {"* * * * *", "30 23 * * *", "0 0 * * *", "*/20 0-3 * * *", "15 2 * * sun,mon"}) {
      const auto schedule = *CronSchedule::parse(cron);
      // all beginnings of some days, from the text of the schedule alone
      std::vector<ServerTime> all;
      for (int minute = -2 * 1440; minute < 8 * 1440; ++minute) {
        const auto wall =
            TimeZone().first_instant_of({place.year, place.month, place.day, std::chrono::minutes(minute)});
        if (schedule.next_after(wall - 1min, TimeZone()) != wall) continue;
        auto civil = TimeZone().civil_at(wall);
        const auto begins = zone.first_instant_of(civil);
        civil.since_midnight = 12h;
        const bool is_skipped_day = zone.civil_at(zone.first_instant_of(civil)).day != civil.day;
        if (!is_skipped_day) all.push_back(begins);
      }
      const auto middle = zone.first_instant_of({place.year, place.month, place.day, 0h});
      for (int minute = -1440; minute < 1440; minute += 23) {
        const auto after = middle + std::chrono::minutes(minute);
        const auto expected = std::upper_bound(all.begin(), all.end(), after);
        ASSERT_NE(expected, all.end());
        ASSERT_EQ(zone.to_text(*schedule.next_after(after, zone)), zone.to_text(*expected))
            << cron << " in " << place.zone << " after " << zone.to_text(after);
      }
    }
  }
}

TEST(CronSchedule, SaysWhatIsWrongWithWhichField) {
  const auto message = [](const std::string& text) {
    const auto schedule = CronSchedule::parse(text);
    return schedule ? "taken" : schedule.error().message;
  };
  EXPECT_EQ(message("0 2 * *"), "\"0 2 * *\" is not a cron schedule: it has 4 fields");
  EXPECT_EQ(message(""), "\"\" is not a cron schedule: it has 0 fields");
  EXPECT_EQ(message("@daily"), "\"@daily\" is not a cron schedule: it has 1 field");
  EXPECT_EQ(message("60 2 * * *"), "\"60\" is not a minute of cron");
  EXPECT_EQ(message("0 24 * * *"), "\"24\" is not an hour of cron");
  EXPECT_EQ(message("0 2 0 * *"), "\"0\" is not a day of the month of cron");
  EXPECT_EQ(message("0 2 * 13 *"), "\"13\" is not a month of cron");
  EXPECT_EQ(message("0 2 * * 8"), "\"8\" is not a day of the week of cron");
  EXPECT_EQ(message("0 2 * * sunday"), "\"sunday\" is not a day of the week of cron");
  for (const char* text : {"5-1 * * * *", "*/0 * * * *", "1, * * * *", "-1 * * * *", "1-2-3 * * * *",
                           "1/ * * * *", "001 * * * *", "* * L * *", "* * * unj *", "0x1 * * * *"}) {
    EXPECT_NE(message(text), "taken") << text;
  }
  EXPECT_NE(message(std::string(300, '*')), "taken");
}

}  // namespace
}  // namespace pgcurfew
