#include "base/iso_time.hpp"

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;

TEST(IsoTime, ShowsTimesInUtc) {
  EXPECT_EQ(iso_8601(ServerTime(1us)), "2000-01-01T00:00:00.000001Z");
  EXPECT_EQ(iso_8601(ServerTime(0us)), "2000-01-01T00:00:00.000000Z");
  EXPECT_EQ(iso_8601(WallTime(1'764'511'445'678'901us)), "2025-11-30T14:04:05.678Z");
}

TEST(IsoTime, ReadsWhatItShows) {
  EXPECT_EQ(parse_iso_8601("2025-11-30T14:04:05.678Z").value(), WallTime(1'764'511'445'678'000us));
  const ServerTime time(123456h + 5us);
  EXPECT_EQ(server_time_of(parse_iso_8601(iso_8601(time)).value()), time);
}

TEST(IsoTime, ReadsNothingElse) {
  for (const char* text : {"", "2025-11-30", "2025-11-30 14:04:05Z", "2025-11-30T14:04:05", "14:04",
                           "2025-13-30T14:04:05Z", "2025-02-30T14:04:05Z", "2025-11-30T24:04:05Z",
                           "2025-11-30T14:04:05.Z", "2025-11-30T14:04:05.xZ", "2025-11-30T14:04:05Zx"}) {
    EXPECT_FALSE(parse_iso_8601(text)) << text;
  }
}

}  // namespace
}  // namespace pgcurfew
