#include "report/follower.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "report/segments.hpp"
#include "support/memory_files.hpp"
#include "support/memory_segments.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

/// Far longer than anything here takes.
constexpr auto kPatience = 60s;
constexpr WallTime kNow(1'764'511'445s);

/// A place for events, and its faults.
struct FakePlace {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::uint64_t> taken;
  std::size_t attempts = 0;
  bool fails = false;
  bool hangs = false;
  std::uint64_t refuses = 0;  ///< the event of this number
};

class FakeSink final : public AuditSink {
 public:
  explicit FakeSink(std::shared_ptr<FakePlace> place) : place_(std::move(place)) {}
  Result<Refused> take(const std::vector<RecordedEvent>& events) override {
    std::unique_lock held(place_->mutex);
    ++place_->attempts;
    place_->changed.notify_all();
    place_->changed.wait(held, [&] { return !place_->hangs; });
    if (place_->fails) return failure("the place is shut");
    Refused refused;
    for (const auto& event : events) {
      if (event.seq == place_->refuses) {
        ++refused.count;
        refused.why = failure("not that one").value();
      } else {
        place_->taken.push_back(event.seq);
      }
    }
    place_->changed.notify_all();
    return refused;
  }

 private:
  std::shared_ptr<FakePlace> place_;
};

/// What outlasts the follower, which owns its store.
class SharedFiles final : public SmallFiles {
 public:
  explicit SharedFiles(std::shared_ptr<MemoryFiles> files) : files_(std::move(files)) {}
  Result<void> find() override { return files_->find(); }
  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view suffix) const override {
    return files_->list(suffix);
  }
  [[nodiscard]] Result<std::optional<std::string>> read(const std::string& name) const override {
    return files_->read(name);
  }
  Result<void> write(const std::string& name, std::string_view text) override {
    return files_->write(name, text);
  }
  Result<void> remove(const std::string& name) override { return files_->remove(name); }
  [[nodiscard]] std::string path_of(const std::string& name) const override { return name; }

 private:
  std::shared_ptr<MemoryFiles> files_;
};

class FollowerTest : public ::testing::Test {
 protected:
  void append(int first, int last, const std::string& run = "a") {
    Segments segments(files, run);
    std::vector<std::string> events;
    for (int i = first; i <= last; ++i) events.push_back(fmt::format(R"({{"n":{}}})", i));
    // each segment has a time of its own
    ASSERT_TRUE(segments.append(events, bounds, kNow + std::chrono::seconds(first)));
    appended = {segments.current(), segments.size(), segments.next()};
  }
  void append_safely(int first, int last, const std::string& run = "a") {
    append(first, last, run);
    safe_end->set(appended);
  }
  void begin(const std::string& run = "a") {
    follower.emplace(
        RecordFollower::Parts{std::make_unique<MemorySegments>(disk), std::make_unique<SharedFiles>(cursors),
                              kCursor, [this] { return claim(); }, run, kNow, safe_end,
                              std::make_unique<FakeSink>(place)},
        [] {});
  }
  void end() {
    follower->stop();
    EXPECT_TRUE(follower->wait(std::chrono::steady_clock::now() + kPatience));
    follower.reset();
  }
  void set(const std::function<void(FakePlace&)>& change) {
    const std::unique_lock held(place->mutex);
    change(*place);
    place->changed.notify_all();
  }
  bool await(const std::function<bool(const FakePlace&)>& is_so) {
    std::unique_lock held(place->mutex);
    return place->changed.wait_for(held, kPatience, [&] { return is_so(*place); });
  }
  /// The numbers taken, `1-3,7`.
  std::string taken() {
    const std::unique_lock held(place->mutex);
    std::string text;
    for (std::size_t i = 0; i < place->taken.size(); ++i) {
      const auto first = place->taken[i];
      while (i + 1 < place->taken.size() && place->taken[i + 1] == place->taken[i] + 1) ++i;
      text += fmt::format("{}{}-{}", text.empty() ? "" : ",", first, place->taken[i]);
    }
    return text;
  }

  Result<void> claim() {
    if (is_claimed) return failure("another process holds it");
    return {};
  }

  static constexpr auto kCursor = "x.cursor";
  std::atomic<bool> is_claimed = false;
  std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>();
  MemorySegments files{disk};
  std::shared_ptr<MemoryFiles> cursors = std::make_shared<MemoryFiles>();
  std::shared_ptr<SafeEnd> safe_end = std::make_shared<SafeEnd>();
  std::shared_ptr<FakePlace> place = std::make_shared<FakePlace>();
  RecordBounds bounds;
  SafeEnd::Position appended;
  std::optional<RecordFollower> follower;
};

TEST_F(FollowerTest, BeginsWithItsOwnRunAndGoesOnWhereItWas) {
  append_safely(1, 3, "before");
  append_safely(4, 5);
  begin();
  end();
  EXPECT_EQ(taken(), "4-5");
  append_safely(6, 1000, "b");
  begin("c");
  end();
  EXPECT_EQ(taken(), "4-1000");
  EXPECT_TRUE(cursors->files.at(kCursor).starts_with("1001 "));
}

TEST_F(FollowerTest, CopiesWhatIsSafeAndNoMore) {
  append_safely(1, 2);
  append(3, 4);
  begin();
  end();
  EXPECT_EQ(taken(), "1-2");
  safe_end->set(appended);
  begin();
  end();
  EXPECT_EQ(taken(), "1-4");
}

TEST_F(FollowerTest, CopiesWhatComesWhileItRuns) {
  begin();
  append_safely(1, 1);
  EXPECT_TRUE(await([](const FakePlace& all) { return all.taken.size() == 1; }));
  append_safely(2, 9);
  EXPECT_TRUE(await([](const FakePlace& all) { return all.taken.size() == 9; }));
  end();
  EXPECT_EQ(taken(), "1-9");
}

TEST_F(FollowerTest, APlaceThatFailsGetsEverythingOnceItWorks) {
  set([](FakePlace& all) { all.fails = true; });
  append_safely(1, 5);
  begin();
  EXPECT_TRUE(await([](const FakePlace& all) { return all.attempts >= 2; }));
  EXPECT_EQ(follower->state().trouble.value_or(Error{}).message, "the place is shut");
  append_safely(6, 7);
  set([](FakePlace& all) { all.fails = false; });
  EXPECT_TRUE(await([](const FakePlace& all) { return all.taken.size() == 7; }));
  end();
  EXPECT_EQ(taken(), "1-7");
}

TEST_F(FollowerTest, AStopTriesAFailingPlaceNoMore) {
  set([](FakePlace& all) { all.fails = true; });
  append_safely(1, 5);
  begin();
  EXPECT_TRUE(await([](const FakePlace& all) { return all.attempts >= 1; }));
  end();
  EXPECT_EQ(cursors->files.at(kCursor), "1 \n");
}

TEST_F(FollowerTest, APlaceThatHangsDelaysNoEnd) {
  set([](FakePlace& all) { all.hangs = true; });
  append_safely(1, 5);
  begin();
  EXPECT_TRUE(await([](const FakePlace& all) { return all.attempts == 1; }));
  EXPECT_TRUE(follower->state().offers_since);
  follower->stop();
  EXPECT_FALSE(follower->wait(std::chrono::steady_clock::now() + 10ms));
  follower.reset();
  set([](FakePlace& all) { all.hangs = false; });
  EXPECT_TRUE(await([](const FakePlace& all) { return all.taken.size() == 5; }));
}

TEST_F(FollowerTest, WhatIsGoneBeforeItsTurnIsCounted) {
  bounds.size = 32 * 100;  // segments of some events
  set([](FakePlace& all) { all.fails = true; });
  append_safely(1, 10);
  cursors->files[kCursor] = "5 \n";
  begin();
  EXPECT_TRUE(await([](const FakePlace& all) { return all.attempts >= 1; }));
  end();
  for (int i = 11; i <= 40; ++i) append_safely(i, i);
  Segments segments(files, "a");
  Removed removed;
  bounds.size = 600;
  ASSERT_TRUE(segments.remove_old(bounds, kNow + 1h, removed));
  ASSERT_GT(removed.by_size, 10U);
  set([](FakePlace& all) { all.fails = false; });
  begin();
  EXPECT_TRUE(await([](const FakePlace& all) { return !all.taken.empty() && all.taken.back() == 40; }));
  EXPECT_EQ(follower->state().missed, removed.by_size - 4);
  end();
}

TEST_F(FollowerTest, ARefusedEventDoesNotStopThoseBehindIt) {
  set([](FakePlace& all) { all.refuses = 2; });
  append_safely(1, 4);
  begin();
  EXPECT_TRUE(await([](const FakePlace& all) { return all.taken.size() == 3; }));
  end();
  EXPECT_EQ(taken(), "1-1,3-4");
}

TEST_F(FollowerTest, ARecordThatHasBegunAnewIsCopiedFromItsBeginning) {
  cursors->files[kCursor] = "500 12345678\n";
  append_safely(1, 3);
  begin();
  end();
  EXPECT_EQ(taken(), "1-3");
}

TEST_F(FollowerTest, ARecordThatTakesItsPlaceWhileItRunsIsCopiedFromItsBeginning) {
  append_safely(1, 9);
  begin();
  EXPECT_TRUE(await([](const FakePlace& all) { return all.taken.size() == 9; }));
  {
    const std::unique_lock held(disk->mutex);
    disk->files.clear();
  }
  append_safely(1, 4);
  EXPECT_TRUE(await([](const FakePlace& all) { return all.taken.size() == 13; }));
  end();
  EXPECT_EQ(taken(), "1-9,1-4");
}

TEST_F(FollowerTest, ARecordThatHasTakenItsPlaceAndIsLongerIsCopiedFromItsBeginning) {
  append_safely(1, 3);
  begin();
  end();
  disk->files.clear();
  append_safely(1, 9, "b");
  begin("b");
  end();
  EXPECT_EQ(taken(), "1-3,1-9");
}

TEST_F(FollowerTest, BeginsWithTheFirstEventOfItsRunThoughThatIsInAnEarlierSegment) {
  bounds.size = 32 * 100;  // segments of some events
  append_safely(1, 3, "before");
  for (int i = 4; i <= 40; ++i) append_safely(i, i);
  ASSERT_GT(disk->files.size(), 2U);
  begin();
  end();
  EXPECT_EQ(taken(), "4-40");
}

TEST_F(FollowerTest, CopiesNothingWhileAnotherProcessDoes) {
  is_claimed = true;
  append_safely(1, 3);
  begin();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!follower->state().trouble && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(1ms);
  EXPECT_EQ(follower->state().trouble.value_or(Error{}).message, "another process holds it");
  EXPECT_EQ(taken(), "");
  is_claimed = false;
  EXPECT_TRUE(await([](const FakePlace& all) { return all.taken.size() == 3; }));
  end();
}

TEST_F(FollowerTest, WithoutNewEventsNothingIsCopiedAgain) {
  append_safely(1, 3);
  begin();
  end();
  begin();
  end();
  EXPECT_EQ(taken(), "1-3");
}

TEST_F(FollowerTest, ADamagedCursorCopiesRatherAllThanNothing) {
  for (const std::string damaged : {"", "3", "3\n", "3 x", "x \n", "0 \n", "-3 \n"}) {
    place->taken.clear();
    cursors->files[kCursor] = damaged;
    append_safely(1, 3);
    begin();
    EXPECT_TRUE(await([](const FakePlace& all) { return !all.taken.empty(); })) << damaged;
    end();
    EXPECT_EQ(place->taken.front(), 1U) << damaged;
  }
}

TEST_F(FollowerTest, ACursorThatCannotBeWrittenIsATroubleAndDoublesNothing) {
  cursors->files[kCursor] = "1 \n";
  cursors->is_full = true;
  append_safely(1, 3);
  begin();
  EXPECT_TRUE(await([](const FakePlace& all) { return all.taken.size() == 3; }));
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!follower->state().trouble && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(1ms);
  EXPECT_EQ(follower->state().trouble.value_or(Error{}).message,
            "could not write x.cursor: No space left on device");
  end();
  EXPECT_EQ(taken(), "1-3");
}

}  // namespace
}  // namespace pgcurfew::testing
