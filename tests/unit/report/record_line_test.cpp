#include "report/record_line.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/nesting.hpp"

namespace pgcurfew {
namespace {

const std::string kEvent =
    R"({"ts":"2026-11-30T14:03:05.123Z","event":"intent","message":"a \"crc\":\"0\"}"})";

TEST(RecordLine, IsTheEventWithItsNumber) {
  const auto line = seal(kEvent, 4711, "0badcafe");
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["seq"], 4711);
  EXPECT_EQ(json["run"], "0badcafe");
  EXPECT_EQ(json["event"], "intent");
  EXPECT_EQ(json["crc"].get<std::string>().size(), 8U);
  EXPECT_EQ(sequence_of(line), 4711U);
}

TEST(RecordLine, HasTheChecksumOfCrc32) {
  // crc32 of `{"seq":1,"run":"a","b":1`, as gzip has it
  EXPECT_EQ(seal(R"({"b":1})", 1, "a"), R"({"seq":1,"run":"a","b":1,"crc":"db69ff29"})");
}

TEST(RecordLine, ThatNoRecordHasIsRefusedWhateverItsChecksum) {
  EXPECT_TRUE(sequence_of(seal(kEvent, kLargestSequence, "a")));
  EXPECT_FALSE(sequence_of(seal(kEvent, kLargestSequence + 1, "a")));
  const auto nested = [](std::size_t depth) {
    return seal(R"({"x":)" + std::string(depth, '[') + std::string(depth, ']') + "}", 1, "a");
  };
  EXPECT_TRUE(sequence_of(nested(kDeepestNesting - 1)));
  EXPECT_FALSE(sequence_of(nested(kDeepestNesting)));
}

TEST(RecordLine, ThatIsDamagedAnywhereIsRefused) {
  const auto line = seal(kEvent, 4711, "0badcafe");
  for (std::size_t at = 0; at < line.size(); ++at) {
    for (const char change : {'\x01', '\x20', '\x40'}) {
      auto damaged = line;
      damaged[at] = static_cast<char>(damaged[at] ^ change);
      EXPECT_FALSE(sequence_of(damaged)) << at;
    }
    EXPECT_FALSE(sequence_of(line.substr(0, at))) << at;
  }
  EXPECT_FALSE(sequence_of(line + " "));
  EXPECT_FALSE(sequence_of(""));
}

}  // namespace
}  // namespace pgcurfew
