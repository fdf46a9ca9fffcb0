#include "base/time_zone.hpp"

#include <cstdlib>
#include <ctime>
#include <string>

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;

TimeZone zone(std::string_view name) {
  const auto loaded = TimeZone::load(name);
  EXPECT_TRUE(loaded) << name;
  return loaded.value_or(TimeZone());
}

/// A moment by its UTC wall time.
ServerTime utc(int year, int month, int day, int hour = 0, int minute = 0, int second = 0) {
  using namespace std::chrono;
  const auto date = sys_days(std::chrono::year(year) / month / day);
  constexpr sys_days kEpoch = std::chrono::year(2000) / 1 / 1;
  return ServerTime(date - kEpoch + hours(hour) + minutes(minute) + seconds(second));
}

CivilTime wall(int year, int month, int day, int hour, int minute = 0) {
  return {year, month, day, std::chrono::hours(hour) + std::chrono::minutes(minute)};
}

std::string instants(std::string_view name, const CivilTime& civil) {
  const auto z = zone(name);
  const auto first = to_text(z.first_instant_of(civil)).substr(0, 16);
  const auto last = to_text(z.end_before(civil)).substr(0, 16);
  return first == last ? first : first + " to " + last;
}

TEST(TimeZone, IsUtcUnlessLoaded) {
  EXPECT_EQ(TimeZone().name(), "UTC");
  EXPECT_EQ(TimeZone().first_instant_of(wall(2026, 11, 23, 8)), utc(2026, 11, 23, 8));
}

TEST(TimeZone, ShowsTheWallWithItsAbbreviation) {
  const auto vienna = zone("Europe/Vienna");
  EXPECT_EQ(vienna.to_text(utc(2026, 11, 29, 1)), "Sun 2026-11-29 02:00 CET");
  EXPECT_EQ(vienna.to_text(utc(2026, 7, 1, 22, 30)), "Thu 2026-07-02 00:30 CEST");
  EXPECT_EQ(zone("Asia/Kolkata").to_text(utc(2026, 1, 1)), "Thu 2026-01-01 05:30 IST");
  EXPECT_EQ(TimeZone().to_text(utc(1999, 12, 31, 23, 59, 59)), "Fri 1999-12-31 23:59:59 UTC");
  EXPECT_EQ(TimeZone().to_text(utc(2026, 1, 1) + 999ms), "Thu 2026-01-01 00:00 UTC");
}

TEST(TimeZone, GivesTheWeekdayAndKeepsMicroseconds) {
  const auto civil = zone("Europe/Vienna").civil_at(utc(2026, 11, 22, 23, 30) + 42us);
  EXPECT_EQ(civil.year, 2026);
  EXPECT_EQ(civil.month, 11);
  EXPECT_EQ(civil.day, 23);
  EXPECT_EQ(civil.since_midnight, 30min + 42us);
  EXPECT_EQ(civil.weekday, 0);  // a Monday
}

TEST(TimeZone, GivesBackTheInstantOfAWallTimeToTheMicrosecond) {
  for (const auto* name : {"Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "UTC"}) {
    const auto z = zone(name);
    for (const auto time :
         {utc(2026, 11, 23, 8, 1, 2) + 1us, utc(1971, 3, 4, 5) + 999'999us, utc(2000, 1, 1) - 1us}) {
      EXPECT_EQ(z.first_instant_of(z.civil_at(time)), time) << name;
      EXPECT_EQ(z.end_before(z.civil_at(time)), time) << name;
    }
  }
}

TEST(TimeZone, TakesTheFirstInstantAfterAGap) {
  // 02:00 to 03:00 do not exist
  EXPECT_EQ(instants("Europe/Vienna", wall(2026, 3, 29, 2, 30)), "2026-03-29 01:00");
  EXPECT_EQ(instants("Europe/Vienna", wall(2026, 3, 29, 2)), "2026-03-29 01:00");
  EXPECT_EQ(instants("Europe/Vienna", wall(2026, 3, 29, 3)), "2026-03-29 01:00");
  EXPECT_EQ(instants("Europe/Vienna", wall(2026, 3, 29, 1, 59)), "2026-03-29 00:59");
  EXPECT_EQ(instants("America/New_York", wall(2026, 3, 8, 2, 30)), "2026-03-08 07:00");
  // half an hour only
  EXPECT_EQ(instants("Australia/Lord_Howe", wall(2026, 10, 4, 2, 15)), "2026-10-03 15:30");
  EXPECT_EQ(instants("Australia/Lord_Howe", wall(2026, 10, 4, 2, 45)), "2026-10-03 15:45");
  // at midnight
  EXPECT_EQ(instants("America/Santiago", wall(2026, 9, 6, 0, 30)), "2026-09-06 04:00");
}

TEST(TimeZone, KnowsBothInstantsOfARepeatedWallTime) {
  EXPECT_EQ(instants("Europe/Vienna", wall(2026, 10, 25, 2, 30)), "2026-10-25 00:30 to 2026-10-25 01:30");
  EXPECT_EQ(instants("Europe/Vienna", wall(2026, 10, 25, 3)), "2026-10-25 02:00");
  EXPECT_EQ(instants("America/New_York", wall(2026, 11, 1, 1, 1)), "2026-11-01 05:01 to 2026-11-01 06:01");
  EXPECT_EQ(instants("Australia/Lord_Howe", wall(2026, 4, 5, 1, 45)), "2026-04-04 14:45 to 2026-04-04 15:15");
}

TEST(TimeZone, SeesTheLastOfWhatIsBeforeATimeThatClocksAreSetBackTo) {
  EXPECT_EQ(instants("Europe/Vienna", wall(2026, 10, 25, 2)), "2026-10-25 00:00");
  EXPECT_EQ(instants("America/New_York", wall(2026, 11, 1, 1)), "2026-11-01 05:00");
  EXPECT_EQ(instants("America/Havana", wall(2026, 10, 31, 24)), "2026-11-01 04:00");
  const auto just_after = zone("Europe/Vienna").end_before({2026, 10, 25, 2h + 1us});
  EXPECT_EQ(just_after, utc(2026, 10, 25, 1) + 1us);
}

TEST(TimeZone, PassesOverADayThatAZoneSkipped) {
  EXPECT_EQ(instants("Pacific/Apia", wall(2011, 12, 29, 23, 59)), "2011-12-30 09:59");
  EXPECT_EQ(instants("Pacific/Apia", wall(2011, 12, 30, 0)), "2011-12-30 10:00");
  EXPECT_EQ(instants("Pacific/Apia", wall(2011, 12, 30, 12)), "2011-12-30 10:00");
  EXPECT_EQ(instants("Pacific/Apia", wall(2011, 12, 31, 0)), "2011-12-30 10:00");
  const auto civil = zone("Pacific/Apia").civil_at(utc(2011, 12, 30, 10));
  EXPECT_EQ(civil.day, 31);
  EXPECT_EQ(civil.weekday, 5);
}

TEST(TimeZone, GoesOnWithTodaysRulesBeyond2037) {
  const auto vienna = zone("Europe/Vienna");
  EXPECT_EQ(vienna.to_text(utc(2038, 1, 20, 12)), "Wed 2038-01-20 13:00 CET");
  EXPECT_EQ(vienna.to_text(utc(2038, 7, 1, 12)), "Thu 2038-07-01 14:00 CEST");
  EXPECT_EQ(vienna.to_text(utc(2050, 1, 1, 12)), "Sat 2050-01-01 13:00 CET");
  EXPECT_EQ(vienna.to_text(utc(2050, 7, 1, 12)), "Fri 2050-07-01 14:00 CEST");
  EXPECT_EQ(instants("Europe/Vienna", wall(2050, 3, 27, 2, 30)), "2050-03-27 01:00");
}

TEST(TimeZone, AgreesWithTheCLibraryAroundEachHourOfAYear) {
  for (const auto* name : {"Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"}) {
    const auto z = zone(name);
    ASSERT_EQ(setenv("TZ", name, 1), 0);
    tzset();
    for (auto time = utc(2026, 1, 1); time < utc(2027, 1, 1); time += 30min) {
      const std::time_t unix_time =
          946'684'800 + std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
      std::tm expected{};
      ASSERT_NE(localtime_r(&unix_time, &expected), nullptr);
      const auto civil = z.civil_at(time);
      ASSERT_EQ(civil.day, expected.tm_mday) << name << " " << unix_time;
      ASSERT_EQ(civil.since_midnight,
                std::chrono::hours(expected.tm_hour) + std::chrono::minutes(expected.tm_min))
          << name << " " << unix_time;
      ASSERT_EQ((civil.weekday + 1) % 7, expected.tm_wday) << name << " " << unix_time;
    }
  }
  unsetenv("TZ");
  tzset();
}

TEST(TimeZone, CarriesDaysMonthsAndHoursOver) {
  const auto vienna = zone("Europe/Vienna");
  EXPECT_EQ(vienna.first_instant_of(wall(2026, 1, 32, 0)), vienna.first_instant_of(wall(2026, 2, 1, 0)));
  EXPECT_EQ(vienna.first_instant_of(wall(2026, 13, 1, 0)), vienna.first_instant_of(wall(2027, 1, 1, 0)));
  EXPECT_EQ(vienna.first_instant_of(wall(2026, 3, -1, 0)), vienna.first_instant_of(wall(2026, 2, 27, 0)));
  EXPECT_EQ(vienna.first_instant_of(wall(2026, 2, 28, 24)), vienna.first_instant_of(wall(2026, 3, 1, 0)));
}

TEST(TimeZone, StaysWithinWhatATimeCanHold) {
  const auto vienna = zone("Europe/Vienna");
  EXPECT_GT(vienna.first_instant_of(wall(999'999, 1, 1, 0)), ServerTime::max() - 3s);
  EXPECT_LT(vienna.first_instant_of(wall(-999'999, 1, 1, 0)), ServerTime::min() + 2s);
  EXPECT_GT(vienna.civil_at(ServerTime::max()).year, 290'000);
  EXPECT_LT(vienna.civil_at(ServerTime::min()).year, -290'000);
  EXPECT_NE(vienna.to_text(ServerTime::max()), "");
}

TEST(TimeZone, RefusesWhatIsNoNameOfAZone) {
  using namespace std::string_literals;
  for (const auto& name : {""s,
                           " "s,
                           "Europe/Wien"s,
                           "europe/vienna"s,
                           " Europe/Vienna"s,
                           "Europe/Vienna "s,
                           "Europe/Vienna/"s,
                           "Europe//Vienna"s,
                           "Europe"s,
                           "../../etc/passwd"s,
                           "/etc/passwd"s,
                           "/usr/share/zoneinfo/Europe/Vienna"s,
                           "Europe/../Europe/Vienna"s,
                           "./Europe/Vienna"s,
                           ":x"s,
                           ":Europe/Vienna"s,
                           "localtime"s,
                           "libc:localtime"s,
                           "file:Europe/Vienna"s,
                           "Fixed/UTC+05:00:00"s,
                           "CET-1CEST"s,
                           "UTC+1"s,
                           "zone.tab"s,
                           "tzdata.zi"s,
                           "posixrules"s,
                           "Factory"s,
                           "right/Europe/Vienna"s,
                           "Europe/Vienna\0"s,
                           "\0"s,
                           "Europe/Vienna\n"s,
                           "Europe/Vi\xC3\xA9nna"s,
                           "%s%n"s,
                           std::string(101, 'a'),
                           std::string(1'000'000, 'E')}) {
    const auto loaded = TimeZone::load(name);
    ASSERT_FALSE(loaded) << name;
    EXPECT_TRUE(loaded.error().message.starts_with("unknown time zone \"")) << loaded.error().message;
    EXPECT_LT(loaded.error().message.size(), 120U);
    EXPECT_EQ(loaded.error().message.find('\0'), std::string::npos);
    EXPECT_EQ(loaded.error().hint, "Use a name in the system's tzdata, such as Europe/Vienna or UTC.");
  }
}

TEST(TimeZone, TakesTheNamesOfTheTzdata) {
  for (const auto* name : {"UTC", "Etc/UTC", "Etc/GMT+5", "GMT", "EST5EDT", "America/Argentina/Buenos_Aires",
                           "America/Port-au-Prince", "Europe/Vienna", "US/Eastern"}) {
    EXPECT_EQ(zone(name).name(), name);
  }
}

}  // namespace
}  // namespace pgcurfew
