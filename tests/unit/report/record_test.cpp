#include "report/record.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "events/catalogue.hpp"
#include "report/record_line.hpp"
#include "support/memory_segments.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

/// Far longer than anything here takes.
constexpr auto kPatience = 60s;

class RecordTest : public ::testing::Test {
 protected:
  std::unique_ptr<Record> open(bool is_required = false, const std::string& run = "a") {
    RecordBounds bounds;
    bounds.is_required = is_required;
    return std::make_unique<Record>(std::make_unique<MemorySegments>(disk), run, bounds, [this] {
      const std::unique_lock held(mutex);
      ++calls;
      called.notify_all();
    });
  }
  /// Waits until the record reports what is wanted.
  Record::Progress await(Record& record, const std::function<bool(const Record::Progress&)>& is_wanted) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::unique_lock held(mutex);
    while (true) {
      const auto before = calls;
      held.unlock();
      auto progress = record.progress();
      held.lock();
      if (is_wanted(progress)) return progress;
      if (!called.wait_until(held, deadline, [&] { return calls != before; })) {
        ADD_FAILURE() << "it was not reported";
        return progress;
      }
    }
  }
  Record::Progress await_done(Record& record, std::uint64_t number) {
    return await(record, [&](const Record::Progress& progress) { return progress.done >= number; });
  }
  static std::uint64_t append(Record& record, int number) {
    return record.append(fmt::format(R"({{"n":{}}})", number)).value_or(0);
  }
  /// The numbers of the events in the record, each seen once and in order.
  std::vector<std::string> events() {
    std::vector<std::string> found;
    MemorySegments files(disk);
    RecordReader reader(files);
    for (auto lines = reader.read().value(); !lines.empty(); lines = reader.read().value()) {
      for (const auto& line : lines) found.push_back(line.text);
    }
    EXPECT_EQ(reader.damaged(), 0U);
    return found;
  }
  void set(const std::function<void(MemoryDisk&)>& change) {
    const std::unique_lock held(disk->mutex);
    change(*disk);
    disk->changed.notify_all();
  }

  std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>();
  std::mutex mutex;
  std::condition_variable called;
  std::uint64_t calls = 0;
};

TEST_F(RecordTest, AppendsInOrderAndReportsHowFarItIs) {
  const auto record = open();
  for (int i = 1; i <= 500; ++i) EXPECT_EQ(append(*record, i), static_cast<std::uint64_t>(i));
  EXPECT_FALSE(await_done(*record, 500).trouble);
  const auto found = events();
  ASSERT_EQ(found.size(), 500U);
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NE(found[i].find(fmt::format("\"n\":{},", i + 1)), std::string::npos);
  }
}

TEST_F(RecordTest, IsCompleteAndSyncedWhenItIsClosed) {
  auto record = open();
  for (int i = 1; i <= 500; ++i) append(*record, i);
  record.reset();
  EXPECT_EQ(events().size(), 500U);
  EXPECT_GT(disk->syncs, 0U);
  EXPECT_TRUE(disk->runs.empty());
}

TEST_F(RecordTest, AFullDiskLosesNothingAndDoublesNothing) {
  const auto record = open();
  append(*record, 1);
  await_done(*record, 1);
  set([](MemoryDisk& all) { all.room = 30; });
  for (int i = 2; i <= 9; ++i) append(*record, i);
  const auto failed =
      await(*record, [](const Record::Progress& progress) { return progress.trouble.has_value(); });
  EXPECT_EQ(failed.done, 1U);
  set([](MemoryDisk& all) { all.room.reset(); });
  EXPECT_FALSE(await_done(*record, 9).trouble);
  EXPECT_EQ(events().size(), 9U);
}

TEST_F(RecordTest, ADiskThatHangsDelaysNeitherTheCallerNorTheEnd) {
  set([](MemoryDisk& all) { all.hangs = true; });
  const auto begun = std::chrono::steady_clock::now();
  auto record = open();
  for (int i = 1; i <= 100; ++i) append(*record, i);
  EXPECT_EQ(record->progress().done, 0U);
  record.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, kPatience);
  // the thread that was left behind ends when the disk answers
  set([](MemoryDisk& all) { all.hangs = false; });
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (events().size() < 100 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(1ms);
  EXPECT_EQ(events().size(), 100U);
}

TEST_F(RecordTest, WhatDoesNotFitIsLostAndCounted) {
  set([](MemoryDisk& all) { all.hangs = true; });
  const auto record = open();
  const std::string large = R"({"text":")" + std::string(std::size_t{1} << 20U, 'x') + "\"}";
  int taken = 0;
  while (record->append(large)) ++taken;
  EXPECT_GE(taken, 14);
  EXPECT_LE(taken, 16);
  set([](MemoryDisk& all) { all.hangs = false; });
  await_done(*record, static_cast<std::uint64_t>(taken));
  EXPECT_TRUE(record->append(large));
}

TEST_F(RecordTest, RequiredEventsAreDoneOnceTheyAreSynced) {
  set([](MemoryDisk& all) { all.sync_hangs = true; });
  const auto record = open(true);
  append(*record, 1);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (events().empty() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(events().size(), 1U);
  EXPECT_EQ(record->progress().done, 0U);
  set([](MemoryDisk& all) { all.sync_hangs = false; });
  EXPECT_EQ(await_done(*record, 1).done, 1U);
}

TEST_F(RecordTest, WhatCouldNotBeSyncedIsNotDone) {
  set([](MemoryDisk& all) { all.cannot_sync = true; });
  const auto record = open(true);
  append(*record, 1);
  const auto failed =
      await(*record, [](const Record::Progress& progress) { return progress.trouble.has_value(); });
  EXPECT_EQ(failed.done, 0U);
  // nothing else has to happen for it to be tried again
  set([](MemoryDisk& all) { all.cannot_sync = false; });
  EXPECT_EQ(await_done(*record, 1).done, 1U);
}

TEST_F(RecordTest, ATroubleThatIsOverIsReportedBeforeWhatFollows) {
  const auto record = open(true);
  set([](MemoryDisk& all) { all.cannot_sync = true; });
  append(*record, 1);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  const auto syncs = [&] {
    const std::unique_lock held(disk->mutex);
    return disk->syncs;
  };
  while (syncs() == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
  const auto failed = syncs();
  set([](MemoryDisk& all) { all.cannot_sync = false; });
  while (syncs() == failed && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
  // progress() was not called until now
  EXPECT_TRUE(record->progress().trouble);
  const auto again = await_done(*record, 1);
  EXPECT_EQ(again.done, 1U);
}

TEST_F(RecordTest, NewBoundsCountAtOnce) {
  set([](MemoryDisk& all) { all.cannot_sync = true; });
  const auto record = open();
  append(*record, 1);
  await_done(*record, 1);
  RecordBounds bounds;
  bounds.is_required = true;
  record->set_bounds(bounds);
  EXPECT_EQ(record->progress().done, 0U);
}

TEST_F(RecordTest, ReportsWhatAnEarlierProcessDidNotFinish) {
  {
    auto earlier = open(false, "dead");
    earlier->append(
        R"({"event":"intent","server":"main","decision":"d-1","rule":"r","pid":7,"backend_start":"2026-11-30T14:03:05.000001Z","mode":"enforce","step":"cancel","episode":"d-1"})");
    earlier->append(
        R"({"event":"intent","server":"main","decision":"d-2","rule":"r","pid":8,"mode":"enforce","step":"cancel","episode":"d-2"})");
    earlier->append(R"({"event":"ended","decision":"d-2","rule":"r","pid":8,"episode":"d-2","end":"by_us"})");
    await_done(*earlier, 3);
  }
  {
    auto running = open(false, "alive");
    running->append(R"({"event":"intent","decision":"e-1","rule":"r","pid":9,"episode":"e-1"})");
    await_done(*running, 1);
    const auto record = open(false, "new");
    record->find_unfinished_runs();
    const auto progress =
        await(*record, [](const Record::Progress& found) { return !found.unfinished.empty(); });
    ASSERT_EQ(progress.unfinished.size(), 1U);
    const auto& event = progress.unfinished.front();
    EXPECT_EQ(event.kind, Kind::kEnded);
    EXPECT_EQ(event.server, "main");
    EXPECT_EQ(fault_of(event), "");
    const auto value = [&](std::string_view name) {
      const auto found = std::find_if(event.fields.begin(), event.fields.end(),
                                      [&](const auto& field) { return field.first == name; });
      return found == event.fields.end() ? FieldValue() : found->second;
    };
    EXPECT_EQ(std::get<std::string>(value("end")), "daemon_stopped");
    EXPECT_EQ(std::get<std::string>(value("decision")), "d-1");
    EXPECT_EQ(std::get<std::int64_t>(value("pid")), 7);
    EXPECT_TRUE(record->progress().unfinished.empty());
  }
}

TEST_F(RecordTest, WhatIsSyncedIsSafeAndNoMore) {
  const auto record = open();
  const auto safe_end = record->watch_safe_end();
  append(*record, 1);
  safe_end->wait(kPatience, [](const SafeEnd::Position& end) { return end.next == 2; });
  EXPECT_EQ(safe_end->get().next, 2U);
  set([](MemoryDisk& all) { all.cannot_sync = true; });
  append(*record, 2);
  await_done(*record, 2);
  await(*record, [](const Record::Progress& progress) { return progress.trouble.has_value(); });
  EXPECT_EQ(safe_end->get().next, 2U);
  set([](MemoryDisk& all) { all.cannot_sync = false; });
  safe_end->wait(kPatience, [](const SafeEnd::Position& end) { return end.next == 3; });
  EXPECT_EQ(safe_end->get().next, 3U);
}

TEST_F(RecordTest, WhatAnotherProcessAppendsBecomesSafeToo) {
  const auto record = open();
  const auto safe_end = record->watch_safe_end();
  append(*record, 1);
  await_done(*record, 1);
  MemorySegments files(disk);
  Segments other(files, "b");
  ASSERT_TRUE(other.append({R"({"n":2})"}, {}, WallTime()));
  safe_end->wait(kPatience, [](const SafeEnd::Position& end) { return end.next == 3; });
  EXPECT_EQ(safe_end->get().next, 3U);
}

}  // namespace
}  // namespace pgcurfew::testing
