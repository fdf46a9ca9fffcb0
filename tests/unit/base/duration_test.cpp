#include "base/duration.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;

Duration parsed(std::string_view text) {
  const auto duration = parse_duration(text);
  EXPECT_TRUE(duration) << text << ": " << duration.error().message;
  return duration.value_or(Duration(-1));
}

Error refused(std::string_view text) {
  const auto duration = parse_duration(text);
  EXPECT_FALSE(duration) << text;
  return duration ? Error{} : duration.error();
}

TEST(Duration, ReadsEachUnit) {
  EXPECT_EQ(parsed("7us"), 7us);
  EXPECT_EQ(parsed("7ms"), 7ms);
  EXPECT_EQ(parsed("7s"), 7s);
  EXPECT_EQ(parsed("7min"), 7min);
  EXPECT_EQ(parsed("7h"), 7h);
  EXPECT_EQ(parsed("7d"), 7 * 24h);
}

TEST(Duration, ReadsSeveralPartsWithAndWithoutBlanks) {
  EXPECT_EQ(parsed("1h 30min"), 90min);
  EXPECT_EQ(parsed(" 1h30min 5 s "), 90min + 5s);
}

TEST(Duration, ReadsFractionsExactly) {
  EXPECT_EQ(parsed("1.5s"), 1500ms);
  EXPECT_EQ(parsed("0.1d"), 144min);
  EXPECT_EQ(parsed("0.000001s"), 1us);
  EXPECT_EQ(parsed("1.500000000s"), 1500ms);
  EXPECT_EQ(parsed("0.00000005min"), 3us);
}

TEST(Duration, RefusesWhatIsFinerThanAMicrosecond) {
  EXPECT_EQ(refused("1.5us").message, "duration \"1.5us\" is finer than a microsecond");
  EXPECT_EQ(refused("1.05us").message, "duration \"1.05us\" is finer than a microsecond");
  EXPECT_EQ(refused("0.00000005s").message, "duration \"0.00000005s\" is finer than a microsecond");
}

TEST(Duration, RefusesANumberWithoutItsUnit) {
  EXPECT_EQ(refused("10").message, "duration \"10\" lacks a unit");
  EXPECT_EQ(refused("1h 30").message, "duration \"1h 30\" lacks a unit");
  EXPECT_EQ(refused("10").hint, "The units are us, ms, s, min, h and d, as in 10min or 1h 30min.");
}

TEST(Duration, RefusesUnknownUnitsWithTheNearestOne) {
  EXPECT_EQ(refused("10minn").hint, "Did you mean min?");
  EXPECT_EQ(refused("10m").hint, "Minutes are written min.");
  EXPECT_EQ(refused("10fortnights").message, "unknown unit \"fortnights\" in duration \"10fortnights\"");
}

TEST(Duration, RefusesDisorder) {
  EXPECT_EQ(refused("30min 1h").message, "duration \"30min 1h\" does not name its units from large to small");
  EXPECT_EQ(refused("1h 1h").message, "duration \"1h 1h\" does not name its units from large to small");
}

TEST(Duration, RefusesWhatIsNone) {
  EXPECT_EQ(refused("").message, "a duration is empty");
  EXPECT_EQ(refused("-1s").message, "duration \"-1s\" is negative");
  EXPECT_EQ(refused("soon").message, "\"soon\" is not a duration");
  EXPECT_EQ(refused("1.s").message, "\"1.s\" is not a duration");
  EXPECT_EQ(refused(".5s").message, "\".5s\" is not a duration");
  EXPECT_EQ(refused("1s!").message, "\"1s!\" is not a duration");
}

TEST(Duration, EndsAtTenThousandDays) {
  EXPECT_EQ(parsed("10000d"), 10000 * 24h);
  EXPECT_EQ(refused("10001d").hint, "The longest duration is 10000d.");
  EXPECT_EQ(refused("10000d 1us").message, "duration \"10000d 1us\" is out of range");
  EXPECT_EQ(refused("9999999999999999d").message, "duration \"9999999999999999d\" has too many digits");
}

TEST(Duration, TextReadsBackToTheSameValue) {
  const Duration tried[] = {0us, 1us, 999us, 1ms, 1500ms, 90min, 24h, 24h + 1us, 10000 * 24h - 1us};
  for (const auto duration : tried) {
    EXPECT_EQ(parsed(to_text(duration)), duration) << to_text(duration);
  }
  EXPECT_EQ(to_text(0s), "0s");
  EXPECT_EQ(to_text(90min), "1h 30min");
  EXPECT_EQ(to_text(1500ms), "1s 500ms");
  EXPECT_EQ(to_text(-90s), "-1min 30s");
}

TEST(Duration, RoughTextTakesTheLongest) {
  EXPECT_EQ(to_rough_text(Duration::min()), "-" + to_rough_text(Duration::max()));
}

TEST(Duration, OfSecondsIsNoneWhereNoneIsLongEnough) {
  EXPECT_EQ(duration_of_seconds(1.5), 1500ms);
  EXPECT_EQ(duration_of_seconds(-0.25), -250ms);
  for (const double seconds : {1e12, -1e300, std::numeric_limits<double>::infinity(), std::nan("")})
    EXPECT_FALSE(duration_of_seconds(seconds)) << seconds;
}

TEST(Duration, RoughTextIsRoundedToWhatItShows) {
  EXPECT_EQ(to_rough_text(15us), "15us");
  EXPECT_EQ(to_rough_text(15'900us), "16ms");
  EXPECT_EQ(to_rough_text(999'400us), "999ms");
  EXPECT_EQ(to_rough_text(999'600us), "1.0s");
  EXPECT_EQ(to_rough_text(3'290ms), "3.3s");
  EXPECT_EQ(to_rough_text(3'240ms), "3.2s");
  EXPECT_EQ(to_rough_text(59'940ms), "59.9s");
  EXPECT_EQ(to_rough_text(59'999ms), "1min");
  EXPECT_EQ(to_rough_text(12min + 4s + 900ms), "12min 5s");
  EXPECT_EQ(to_rough_text(59min + 59s + 999ms), "1h");
  EXPECT_EQ(to_rough_text(90min + 59s), "1h 31min");
  EXPECT_EQ(to_rough_text(-3s), "-3.0s");
}

}  // namespace
}  // namespace pgcurfew
