#include "report/segments.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "report/record_line.hpp"
#include "support/memory_segments.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNow(1'764'511'445s);

class SegmentsTest : public ::testing::Test {
 protected:
  SegmentsTest() {
    bounds.size = 32 * 1000;  // a segment has 1000 bytes and what was appended with its last
    bounds.keep = 30 * 24h;
  }

  Result<void> append(Segments& to, int first, int last, WallTime at = kNow) {
    std::vector<std::string> events;
    for (int i = first; i <= last; ++i) events.push_back(fmt::format(R"({{"n":{}}})", i));
    return to.append(events, bounds, at);
  }
  Result<void> append(int first, int last, WallTime at = kNow) { return append(segments, first, last, at); }

  Removed remove_old(WallTime at) {
    Removed removed;
    EXPECT_TRUE(segments.remove_old(bounds, at, removed));
    return removed;
  }

  /// `1-9`: the numbers read, without a gap and in order; otherwise a complaint.
  std::string read(RecordReader& reader) {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    while (true) {
      const auto lines = reader.read().value();
      for (const auto& line : lines) {
        EXPECT_EQ(sequence_of(line.text), line.seq);
        if (last != 0 && line.seq != last + 1) return fmt::format("{} follows {}", line.seq, last);
        if (first == 0) first = line.seq;
        last = line.seq;
      }
      if (lines.empty()) return first == 0 ? "" : fmt::format("{}-{}", first, last);
    }
  }
  std::string read(std::uint64_t from = 1) {
    RecordReader reader(files, from);
    return read(reader);
  }
  [[nodiscard]] std::size_t count() const { return disk->files.size(); }
  std::string& last_file() { return disk->files.rbegin()->second; }

  std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>();
  MemorySegments files{disk};
  RecordBounds bounds;
  Segments segments{files, "a"};
};

TEST_F(SegmentsTest, NumbersEvents) {
  ASSERT_TRUE(append(1, 3));
  ASSERT_TRUE(append(4, 4));
  EXPECT_EQ(read(), "1-4");
  EXPECT_EQ(read(3), "3-4");
  EXPECT_EQ(read(5), "");
  EXPECT_EQ(count(), 1U);
}

TEST_F(SegmentsTest, GoesOnAfterARestart) {
  ASSERT_TRUE(append(1, 3));
  Segments next(files, "b");
  ASSERT_TRUE(append(next, 4, 5));
  EXPECT_EQ(read(), "1-5");
}

TEST_F(SegmentsTest, TwoProcessesTakeTurns) {
  Segments other(files, "b");
  for (int i = 1; i < 20; i += 2) {
    ASSERT_TRUE(append(i, i));
    ASSERT_TRUE(append(other, i + 1, i + 1));
  }
  EXPECT_EQ(read(), "1-20");
}

TEST_F(SegmentsTest, CutsOffATornTail) {
  ASSERT_TRUE(append(1, 3));
  const auto whole = last_file();
  for (std::size_t torn = 1; torn < 40; ++torn) {
    last_file() = whole + whole.substr(0, torn);
    if (last_file().back() == '\n') continue;
    Segments next(files, "b");
    ASSERT_TRUE(append(next, 4, 4));
    EXPECT_EQ(read(), "1-4");
  }
}

TEST_F(SegmentsTest, CutsOffATornTailThatIsAllThereIs) {
  disk->files[name_of(SegmentName{7, kNow})] = R"({"seq":7,"ru)";
  ASSERT_TRUE(append(7, 8));
  EXPECT_EQ(read(), "7-8");
}

TEST_F(SegmentsTest, AFullDiskLeavesNothingBehind) {
  ASSERT_TRUE(append(1, 3));
  disk->room = 60;
  const auto failed = append(4, 9);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("No space left"), std::string::npos);
  EXPECT_EQ(read(), "1-3");
  disk->room.reset();
  ASSERT_TRUE(append(4, 9));
  EXPECT_EQ(read(), "1-9");
}

TEST_F(SegmentsTest, AFullDiskThatCannotBeCleanedIsCleanedLater) {
  ASSERT_TRUE(append(1, 3));
  disk->room = 60;
  disk->cannot_truncate = true;
  ASSERT_FALSE(append(4, 9));
  ASSERT_FALSE(append(4, 9));
  disk->room.reset();
  disk->cannot_truncate = false;
  ASSERT_TRUE(append(4, 9));
  EXPECT_EQ(read(), "1-9");
}

TEST_F(SegmentsTest, ADamagedLineIsLeftOutAndKeepsItsNumber) {
  ASSERT_TRUE(append(1, 3));
  auto& file = last_file();
  file[file.rfind("\"n\"") + 1] = 'm';
  Segments next(files, "b");
  ASSERT_TRUE(append(next, 4, 4));
  RecordReader reader(files);
  EXPECT_EQ(read(reader), "4 follows 2");
  EXPECT_EQ(reader.damaged(), 1U);
}

TEST_F(SegmentsTest, BeginsASegmentWhenOneIsFull) {
  for (int i = 1; i <= 100; ++i) ASSERT_TRUE(append(i, i));
  EXPECT_GT(count(), 3U);
  for (const auto& [name, text] : disk->files) EXPECT_LT(text.size(), 1100U);
  EXPECT_EQ(read(), "1-100");
  EXPECT_EQ(read(57), "57-100");
}

TEST_F(SegmentsTest, BeginsASegmentEveryDay) {
  ASSERT_TRUE(append(1, 1));
  ASSERT_TRUE(append(2, 2, kNow + 23h));
  EXPECT_EQ(count(), 1U);
  ASSERT_TRUE(append(3, 3, kNow + 24h));
  EXPECT_EQ(count(), 2U);
  EXPECT_EQ(read(), "1-3");
}

TEST_F(SegmentsTest, RemovesWhatIsTooOld) {
  ASSERT_TRUE(append(1, 3));
  ASSERT_TRUE(append(4, 6, kNow + 10 * 24h));
  ASSERT_TRUE(append(7, 9, kNow + 20 * 24h));
  EXPECT_EQ(remove_old(kNow + 40 * 24h).by_size, 0U);
  EXPECT_EQ(read(), "1-9");
  EXPECT_EQ(remove_old(kNow + 40 * 24h + 1s).by_size, 0U);
  EXPECT_EQ(read(), "4-9");
  // the last one has the number of the next event
  remove_old(kNow + 400 * 24h);
  EXPECT_EQ(read(), "7-9");
  ASSERT_TRUE(append(10, 10));
  EXPECT_EQ(read(), "7-10");
}

TEST_F(SegmentsTest, RemovesTheOldestIfTheRecordIsTooLarge) {
  for (int i = 1; i <= 1000; ++i) ASSERT_TRUE(append(i, i, kNow + std::chrono::seconds(i)));
  const auto removed = remove_old(kNow + 2h);
  std::size_t size = 0;
  for (const auto& [name, text] : disk->files) size += text.size();
  EXPECT_LE(size, 32'000U);
  EXPECT_GT(size, 30'000U);
  EXPECT_GT(removed.by_size, 0U);
  EXPECT_EQ(removed.until, kNow + std::chrono::seconds(removed.by_size + 1));
  RecordReader reader(files);
  EXPECT_EQ(read(reader), fmt::format("{}-1000", removed.by_size + 1));
  EXPECT_EQ(reader.missed(), removed.by_size);
}

TEST_F(SegmentsTest, AReaderFollows) {
  RecordReader reader(files);
  EXPECT_EQ(read(reader), "");
  int next = 1;
  for (const int more : {1, 5, 60, 3}) {
    ASSERT_TRUE(append(next, next + more - 1));
    EXPECT_EQ(read(reader), fmt::format("{}-{}", next, next + more - 1));
    next += more;
    EXPECT_EQ(read(reader), "");
  }
  EXPECT_EQ(reader.missed(), 0U);
  EXPECT_EQ(reader.damaged(), 0U);
}

TEST_F(SegmentsTest, AReaderDoesNotTakeHalfALine) {
  ASSERT_TRUE(append(1, 2));
  const auto whole = last_file();
  const auto half = whole.size() - 10;
  last_file().resize(half);
  RecordReader reader(files);
  EXPECT_EQ(read(reader), "1-1");
  last_file() = whole;
  EXPECT_EQ(read(reader), "2-2");
  EXPECT_EQ(reader.damaged(), 0U);
}

TEST_F(SegmentsTest, AReaderThatWasOvertakenSaysWhatItMissed) {
  ASSERT_TRUE(append(1, 2));
  RecordReader reader(files);
  EXPECT_EQ(read(reader), "1-2");
  for (int i = 3; i <= 1000; ++i) ASSERT_TRUE(append(i, i));
  const auto removed = remove_old(kNow + 1s);
  EXPECT_EQ(read(reader), fmt::format("{}-1000", removed.by_size + 1));
  EXPECT_EQ(reader.missed(), removed.by_size - 2);
}

TEST_F(SegmentsTest, AReaderBeginsWithTheSegmentOfATime) {
  for (int day = 0; day < 5; ++day) ASSERT_TRUE(append(2 * day + 1, 2 * day + 2, kNow + day * 24h));
  RecordReader reader(files);
  reader.skip_to(kNow + 3 * 24h + 1h);
  EXPECT_EQ(read(reader), "7-10");
  EXPECT_EQ(reader.missed(), 0U);
}

TEST_F(SegmentsTest, OtherFilesAreNotTouched) {
  disk->files["db.gate"] = "x";
  disk->files["record-1.jsonl"] = "x";
  disk->files["record-00000000000000000001-x.jsonl"] = "x";
  ASSERT_TRUE(append(1, 2));
  remove_old(kNow + 1000 * 24h);
  EXPECT_EQ(count(), 4U);
  EXPECT_EQ(read(), "1-2");
}

TEST_F(SegmentsTest, ALargeTailOfGarbageIsCutOff) {
  ASSERT_TRUE(append(1, 3));
  last_file() += std::string(std::size_t{5} << 20U, 'x');
  Segments next(files, "b");
  ASSERT_TRUE(append(next, 4, 4));
  EXPECT_EQ(read(), "1-4");
}

TEST_F(SegmentsTest, GarbageThatEndsWithANewlineIsLeftOut) {
  ASSERT_TRUE(append(1, 3));
  last_file() += std::string(std::size_t{5} << 20U, 'x') + '\n';
  Segments next(files, "b");
  bounds.size = std::int64_t{1} << 40U;
  ASSERT_TRUE(append(next, 4, 4));
  RecordReader reader(files);
  EXPECT_EQ(read(reader), "5 follows 3");
  EXPECT_GT(reader.damaged(), 0U);
}

TEST_F(SegmentsTest, ASegmentThatIsNotOursIsPassedOver) {
  ASSERT_TRUE(append(1, 3));
  last_file() += std::string(std::size_t{70} << 20U, '\0');
  Segments next(files, "b");
  ASSERT_TRUE(append(next, 4, 5));
  ASSERT_TRUE(append(next, 6, 6));
  EXPECT_EQ(count(), 2U);
  RecordReader reader(files);
  EXPECT_EQ(read(reader),
            fmt::format("{} follows 3", parse_segment_name(disk->files.rbegin()->first)->first));
}

TEST_F(SegmentsTest, ANumberThatNoRecordReachesEndsNothing) {
  ASSERT_TRUE(append(1, 3));
  last_file() += seal(R"({"n":0})", UINT64_MAX, "a") + '\n';
  disk->files["record-18446744073709551615-1764511445000000.jsonl"] = "";
  Segments next(files, "b");
  ASSERT_TRUE(append(next, 4, 4));
  RecordReader reader(files);
  EXPECT_EQ(read(reader), "5 follows 3");
}

TEST_F(SegmentsTest, ASegmentOfTheFutureIsNotGoneOnWith) {
  ASSERT_TRUE(append(1, 2, kNow + 1000 * 24h));
  ASSERT_TRUE(append(3, 4));
  ASSERT_TRUE(append(5, 6, kNow + 24h));
  remove_old(kNow + 31 * 24h + 1s);
  EXPECT_EQ(read(), "5-6");
}

TEST_F(SegmentsTest, AClockThatIsSetBackKeepsTheOrder) {
  ASSERT_TRUE(append(1, 2));
  ASSERT_TRUE(append(3, 4, kNow + 48h));
  ASSERT_TRUE(append(5, 6, kNow - 48h));
  EXPECT_EQ(read(), "1-6");
  remove_old(kNow);
  EXPECT_EQ(read(), "1-6");
}

TEST_F(SegmentsTest, AReaderStopsAtTheEndThatItIsGiven) {
  ASSERT_TRUE(append(1, 3));
  const SafeEnd::Position end{segments.current(), segments.size(), segments.next()};
  ASSERT_TRUE(append(4, 60));
  ASSERT_TRUE(append(61, 99));
  ASSERT_GT(count(), 1U);
  RecordReader reader(files);
  EXPECT_TRUE(reader.read(SafeEnd::Position()).value().empty());
  EXPECT_EQ(reader.read(end).value().size(), 3U);
  EXPECT_TRUE(reader.read(end).value().empty());
  EXPECT_EQ(read(reader), "4-99");
}

TEST_F(SegmentsTest, FindsWhatOthersHaveAppended) {
  ASSERT_TRUE(append(1, 3));
  Segments other(files, "b");
  ASSERT_TRUE(append(other, 4, 9));
  EXPECT_EQ(segments.next(), 4U);
  ASSERT_TRUE(segments.look_for_end());
  EXPECT_EQ(segments.next(), 10U);
  EXPECT_EQ(segments.size(), last_file().size());
}

}  // namespace
}  // namespace pgcurfew::testing
