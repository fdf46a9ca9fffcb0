#include "report/file_sink.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "report/record_line.hpp"

namespace pgcurfew::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMegabyte = std::int64_t{1} << 20U;

RecordedEvent event(std::uint64_t seq, const std::string& run = "a", std::size_t padding = 0) {
  // later events have later times, also those of other records
  static int seconds = 0;
  const auto json = fmt::format(R"({{"ts":"2026-11-30T10:{:02}:{:02}.000Z","text":"{}"}})", seconds / 60 % 60,
                                seconds % 60, std::string(padding, 'x'));
  ++seconds;
  return {seq, seal(json, seq, run)};
}

std::vector<RecordedEvent> events(std::uint64_t first, std::uint64_t last, const std::string& run = "a") {
  std::vector<RecordedEvent> all;
  for (auto seq = first; seq <= last; ++seq) all.push_back(event(seq, run));
  return all;
}

class FileSinkTest : public ::testing::Test {
 protected:
  FileSinkTest() {
    std::string pattern = fs::temp_directory_path() / "pgcurfew-file-XXXXXX";
    directory = mkdtemp(pattern.data());
    path = directory / "events.json";
  }
  ~FileSinkTest() override { fs::remove_all(directory); }
  FileSinkTest(const FileSinkTest&) = delete;
  FileSinkTest& operator=(const FileSinkTest&) = delete;

  [[nodiscard]] FileSink open(std::int64_t rotate = kMegabyte, std::size_t keep = 2) const {
    return {path, rotate, keep};
  }
  static std::string text_of(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static std::string text_of(const std::vector<RecordedEvent>& all) {
    std::string text;
    for (const auto& one : all) text += one.text + "\n";
    return text;
  }

  fs::path directory;
  fs::path path;
};

TEST_F(FileSinkTest, EachEventIsALine) {
  const auto all = events(1, 100);
  auto sink = open();
  ASSERT_TRUE(sink.take(all));
  EXPECT_EQ(text_of(path), text_of(all));
}

TEST_F(FileSinkTest, WhatIsOfferedAgainAfterACrashIsWrittenOnce) {
  const auto all = events(1, 100);
  ASSERT_TRUE(open().take({all.begin(), all.begin() + 60}));
  auto sink = open();
  // in smaller portions than before
  ASSERT_TRUE(sink.take({all.begin() + 20, all.begin() + 40}));
  ASSERT_TRUE(sink.take({all.begin() + 40, all.end()}));
  EXPECT_EQ(text_of(path), text_of(all));
}

TEST_F(FileSinkTest, ALineThatACrashHasTornIsWrittenAgain) {
  const auto all = events(1, 3);
  ASSERT_TRUE(open().take({all[0]}));
  std::ofstream(path, std::ios::app | std::ios::binary) << all[1].text.substr(0, 20);
  auto sink = open();
  ASSERT_TRUE(sink.take({all[1], all[2]}));
  EXPECT_EQ(text_of(path), text_of(all));
}

TEST_F(FileSinkTest, AnotherRecordThatCountsFromOneAgainIsWrittenToo) {
  ASSERT_TRUE(open().take(events(1, 100)));
  const auto before = text_of(path);
  const auto all = events(1, 5, "b");
  ASSERT_TRUE(open().take(all));
  EXPECT_EQ(text_of(path), before + text_of(all));
}

TEST_F(FileSinkTest, IsRenamedAtItsSizeAndTheOldestAreRemoved) {
  auto sink = open(kMegabyte, 2);
  std::vector<RecordedEvent> all;
  for (std::uint64_t seq = 1; seq <= 9; ++seq) all.push_back(event(seq, "a", 500'000));
  for (const auto& one : all) ASSERT_TRUE(sink.take({one}));
  EXPECT_EQ(text_of(path), text_of({all[8]}));
  EXPECT_EQ(text_of(directory / "events.1.json"), text_of({all[6], all[7]}));
  EXPECT_EQ(text_of(directory / "events.2.json"), text_of({all[4], all[5]}));
  EXPECT_FALSE(fs::exists(directory / "events.3.json"));
}

TEST_F(FileSinkTest, AfterACrashBehindARenameTheEndIsInTheRenamedFile) {
  const auto all = events(1, 3);
  ASSERT_TRUE(open().take({all[0], all[1]}));
  fs::rename(path, directory / "events.1.json");
  std::ofstream(path, std::ios::binary);
  auto sink = open();
  ASSERT_TRUE(sink.take(all));
  EXPECT_EQ(text_of(path), text_of({all[2]}));
}

TEST_F(FileSinkTest, AFileThatIsNotOfEventsIsLeftAsItIs) {
  std::ofstream(path, std::ios::binary) << "a letter\nwithout an end";
  EXPECT_EQ(open().take(events(1, 1)).error().message,
            fmt::format("{} is not a file of events", path.string()));
  EXPECT_EQ(text_of(path), "a letter\nwithout an end");
}

TEST_F(FileSinkTest, AFileThatCannotBeRenamedLosesNothing) {
  auto sink = open(kMegabyte, 2);
  const auto first = event(1, "a", 700'000);
  const auto second = event(2, "a", 700'000);
  ASSERT_TRUE(sink.take({first}));
  fs::create_directories(directory / "events.2.json" / "full");
  EXPECT_FALSE(sink.take({second}));
  EXPECT_EQ(text_of(path), text_of({first}));
  fs::remove_all(directory / "events.2.json");
  EXPECT_TRUE(sink.take({second}));
  EXPECT_EQ(text_of(path), text_of({second}));
  EXPECT_EQ(text_of(directory / "events.1.json"), text_of({first}));
}

TEST_F(FileSinkTest, ALinkIsNotFollowed) {
  std::ofstream(directory / "other", std::ios::binary) << "x";
  fs::create_symlink(directory / "other", path);
  EXPECT_EQ(open().take(events(1, 1)).error().message,
            fmt::format("{} is not a regular file", path.string()));
  EXPECT_EQ(text_of(directory / "other"), "x");
}

TEST_F(FileSinkTest, AFileThatAnotherProgramHasMovedIsBegunAnew) {
  const auto all = events(1, 2);
  auto sink = open();
  ASSERT_TRUE(sink.take({all[0]}));
  fs::rename(path, directory / "moved");
  ASSERT_TRUE(sink.take({all[1]}));
  EXPECT_EQ(text_of(path), text_of({all[1]}));
  EXPECT_EQ(text_of(directory / "moved"), text_of({all[0]}));
}

TEST_F(FileSinkTest, SaysWhyAPathCannotBeUsedAndGoesOnOnceItCan) {
  const auto all = events(1, 1);
  fs::remove_all(directory);
  auto sink = open();
  EXPECT_EQ(sink.take(all).error().message,
            fmt::format("could not use directory {}: No such file or directory", directory.string()));
  fs::create_directory(path.parent_path());
  fs::create_directory(path);
  EXPECT_EQ(sink.take(all).error().message, fmt::format("{} is not a regular file", path.string()));
  fs::remove(path);
  EXPECT_TRUE(sink.take(all));
  EXPECT_EQ(text_of(path), text_of(all));
}

}  // namespace
}  // namespace pgcurfew::testing
