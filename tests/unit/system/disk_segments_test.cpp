#include "system/disk_segments.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pgcurfew {
namespace {

class DiskSegmentsTest : public ::testing::Test {
 protected:
  DiskSegmentsTest() {
    std::string path = ::testing::TempDir() + "segmentsXXXXXX";
    directory_ = mkdtemp(path.data());
  }
  ~DiskSegmentsTest() override { std::filesystem::remove_all(directory_); }
  DiskSegmentsTest(const DiskSegmentsTest&) = delete;
  DiskSegmentsTest& operator=(const DiskSegmentsTest&) = delete;

  std::string directory_;
};

TEST_F(DiskSegmentsTest, FilesGrowAndAreCut) {
  DiskSegments files(directory_);
  ASSERT_TRUE(files.append("b", "one"));
  ASSERT_TRUE(files.append("b", "two"));
  ASSERT_TRUE(files.append("a", "x"));
  EXPECT_EQ(files.list().value(), (std::vector<std::string>{".", "..", "a", "b"}));
  EXPECT_EQ(files.size("b").value(), 6U);
  EXPECT_EQ(files.read("b", 0, 100).value().value_or("?"), "onetwo");
  EXPECT_EQ(files.read("b", 2, 3).value().value_or("?"), "etw");
  EXPECT_EQ(files.read("b", 6, 3).value().value_or("?"), "");
  ASSERT_TRUE(files.truncate("b", 4));
  EXPECT_EQ(files.read("b", 0, 100).value().value_or("?"), "onet");
  EXPECT_TRUE(files.sync("b"));
  EXPECT_TRUE(files.sync("gone"));
  ASSERT_TRUE(files.remove("b"));
  ASSERT_TRUE(files.remove("b"));
  EXPECT_FALSE(files.size("b"));
  EXPECT_FALSE(files.read("b", 0, 1).value());
}

TEST_F(DiskSegmentsTest, AreNotForOthersToRead) {
  DiskSegments files(directory_);
  ASSERT_TRUE(files.append("a", "x"));
  struct stat status {};
  ASSERT_EQ(stat((directory_ + "/a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(DiskSegmentsTest, ALinkOrAPipeInTheirPlaceIsRefused) {
  DiskSegments files(directory_);
  ASSERT_EQ(symlink("/etc/passwd", (directory_ + "/link").c_str()), 0);
  ASSERT_EQ(mkfifo((directory_ + "/pipe").c_str(), 0600), 0);
  for (const char* name : {"link", "pipe"}) {
    EXPECT_FALSE(files.append(name, "x")) << name;
    EXPECT_FALSE(files.read(name, 0, 1)) << name;
  }
}

TEST_F(DiskSegmentsTest, RootDoesNotChangeAFileWithASecondName) {
  if (geteuid() != 0) GTEST_SKIP() << "this is not root";
  DiskSegments files(directory_);
  ASSERT_TRUE(files.append("a", "x"));
  ASSERT_EQ(link((directory_ + "/a").c_str(), (directory_ + "/b").c_str()), 0);
  EXPECT_FALSE(files.append("b", "x"));
  EXPECT_FALSE(files.truncate("b", 0));
}

TEST_F(DiskSegmentsTest, OnlyOneProcessHasTheLock) {
  DiskSegments one(directory_);
  DiskSegments other(directory_);
  ASSERT_TRUE(one.lock());
  const auto refused = other.lock();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("another process"), std::string::npos);
  one.unlock();
  EXPECT_TRUE(other.lock());
}

TEST_F(DiskSegmentsTest, ARunIsSeenUntilItEnds) {
  DiskSegments other(directory_);
  {
    DiskSegments one(directory_);
    ASSERT_TRUE(one.begin_run("a"));
    EXPECT_TRUE(other.is_running("a"));
    EXPECT_FALSE(other.is_running("b"));
  }
  EXPECT_FALSE(other.is_running("a"));
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(DiskSegmentsTest, ARunThatWasKilledIsOver) {
  std::ofstream(directory_ + "/record-a.run") << "";
  EXPECT_FALSE(DiskSegments(directory_).is_running("a"));
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(DiskSegmentsTest, WhatKilledRunsHaveLeftGoesAndNothingElse) {
  DiskSegments own(directory_);
  DiskSegments other(directory_);
  ASSERT_TRUE(own.begin_run("own"));
  ASSERT_TRUE(other.begin_run("other"));
  for (const auto* name : {"record-dead.run", "record-1.jsonl", "x.run"})
    std::ofstream(directory_ + "/" + name) << "";
  own.forget_dead_runs("own");
  EXPECT_THAT(own.list().value(), ::testing::ElementsAre(".", "..", "record-1.jsonl", "record-other.run",
                                                         "record-own.run", "x.run"));
  EXPECT_TRUE(own.is_running("other"));
  DiskSegments(directory_ + "/nowhere").forget_dead_runs("own");
}

TEST_F(DiskSegmentsTest, ADirectoryThatIsGoneIsAnError) {
  DiskSegments files(directory_ + "/nowhere");
  EXPECT_FALSE(files.lock());
  EXPECT_FALSE(files.list());
  EXPECT_FALSE(files.append("a", "x"));
}

}  // namespace
}  // namespace pgcurfew
