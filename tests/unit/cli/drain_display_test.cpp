#include "cli/drain_display.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr ServerTime kNow{std::chrono::hours(1000)};

Remaining somebody(std::int32_t pid, std::optional<State> state, std::string reason = {}) {
  return {{pid, kNow}, "orders", "app", "psql", state, {}, std::move(reason)};
}

DrainProgress under_way(DrainPhase phase) {
  DrainProgress progress;
  progress.drain = "weekly";
  progress.mode = Mode::kEnforce;
  progress.phase = phase;
  progress.databases = {"orders", "crm"};
  progress.has_looked = true;
  return progress;
}

TEST(ProgressText, SaysThePhaseWhoIsLeftByStateWhatComesNextAndWhenItEnds) {
  auto progress = under_way(DrainPhase::kWaiting);
  progress.next_step = kNow + seconds(12);
  progress.ends = kNow + minutes(61) + seconds(1);
  progress.remaining = {somebody(4711, State::kActive), somebody(4712, State::kActive),
                        somebody(4713, State::kIdleInTransaction, "protected: dumps")};
  EXPECT_EQ(progress_text(progress, kNow, 8),
            "reopens in 1:01:01  orders, crm: waiting\n"
            "  3 left: 2 active, 1 idle in transaction; 1 cannot be ended, the first signal in 0:12\n"
            "  pid 4711     orders           app              psql                 active\n"
            "  pid 4712     orders           app              psql                 active\n"
            "  pid 4713     orders           app              psql                 idle in transaction  "
            "(protected: dumps)");
  progress.phase = DrainPhase::kCancelling;
  EXPECT_NE(progress_text(progress, kNow, 8).find("be ended, the next step in 0:12\n"), std::string::npos);
}

TEST(ProgressText, NamesNoMoreSessionsThanItMayAndCountsTheOthers) {
  auto progress = under_way(DrainPhase::kTerminating);
  for (std::int32_t pid = 1; pid <= 5; ++pid) progress.remaining.push_back(somebody(pid, State::kIdle));
  const auto text = progress_text(progress, kNow, 2);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
  EXPECT_NE(text.find("5 left: 5 idle\n"), std::string::npos);
  EXPECT_EQ(text.substr(text.rfind('\n')), "\n  and 3 more");
}

TEST(ProgressText, RoundsTimesUpAndShowsNoneThatIsPast) {
  auto progress = under_way(DrainPhase::kEmpty);
  progress.ends = kNow + milliseconds(1);
  EXPECT_EQ(progress_text(progress, kNow, 8), "reopens in 0:01  orders, crm: empty");
  EXPECT_EQ(progress_text(progress, kNow + seconds(5), 8), "reopens in 0:00  orders, crm: empty");
}

TEST(ProgressText, OfAnEmptyDatabaseNamesNoNextStepAndOfAHeldOneNoEnd) {
  auto progress = under_way(DrainPhase::kEmpty);
  progress.next_step = kNow + seconds(12);
  EXPECT_EQ(progress_text(progress, kNow, 8), "orders, crm: empty");
}

TEST(ProgressText, SaysWhatKeepsAGateFromTurningAndThatItIsARehearsal) {
  auto progress = under_way(DrainPhase::kGating);
  progress.mode = Mode::kDryRun;
  progress.databases.clear();
  progress.trouble = "orders: our role may not close its gate";
  EXPECT_EQ(progress_text(progress, kNow, 8),
            "DRY-RUN weekly: closing the gate\n  orders: our role may not close its gate");
}

TEST(ProgressText, NamesTheDatabaseOfASessionOnlyWhereThereAreSeveral) {
  auto progress = under_way(DrainPhase::kTerminating);
  progress.databases = {"orders"};
  progress.remaining = {somebody(4711, State::kActive)};
  EXPECT_EQ(progress_text(progress, kNow, 8),
            "orders: terminating\n"
            "  1 left: 1 active\n"
            "  pid 4711     app              psql                 active");
}

TEST(ProgressText, TakesNobodyForGoneBeforeALookHasShownIt) {
  auto progress = under_way(DrainPhase::kWaiting);
  progress.has_looked = false;
  EXPECT_EQ(progress_text(progress, kNow, 8), "orders, crm: waiting\n  looking");
  progress.has_looked = true;
  EXPECT_EQ(progress_text(progress, kNow, 8), "orders, crm: waiting\n  no session left");
  progress.phase = DrainPhase::kReopening;
  EXPECT_EQ(progress_text(progress, kNow, 8), "orders, crm: opening the gate");
}

TEST(ProgressText, SaysWhenItGivesUp) {
  auto progress = under_way(DrainPhase::kTerminating);
  progress.remaining = {somebody(4711, State::kActive, "denied")};
  progress.gives_up = kNow + minutes(4) + seconds(12);
  progress.ends = kNow + minutes(40);
  const auto text = progress_text(progress, kNow, 8);
  EXPECT_EQ(text.substr(0, text.find("\n  pid")),
            "reopens in 40:00  orders, crm: terminating\n"
            "  1 left: 1 active; 1 cannot be ended, gives up in 4:12");
}

TEST(ProgressText, HasWhenItReopensWhereNoNarrowTerminalCutsIt) {
  auto progress = under_way(DrainPhase::kTerminating);
  progress.databases = std::vector<std::string>(20, std::string(60, 'x'));
  progress.ends = kNow + minutes(400);
  EXPECT_EQ(progress_text(progress, kNow, 8).substr(0, 20), "reopens in 6:40:00  ");
}

TEST(ProgressText, DoesNotSayOfWhatIsOpenThatItReopens) {
  for (const auto phase : {DrainPhase::kReopening, DrainPhase::kDone}) {
    auto progress = under_way(phase);
    progress.ends = kNow;
    EXPECT_EQ(progress_text(progress, kNow, 8).find("reopens"), std::string::npos);
  }
}

TEST(ProgressText, LetsNoNameSpeakToTheTerminal) {
  auto progress = under_way(DrainPhase::kWaiting);
  progress.databases = {"or\x1b[2Jders"};
  progress.trouble = "a\nb";
  auto entry = somebody(7, std::nullopt);
  entry.user = "a\x07";
  entry.application_name = "b\rc";
  progress.remaining = {entry};
  const auto text = progress_text(progress, kNow, 8);
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= ' ' && c != 0x7F)) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_NE(text.find("1 left: 1 no state"), std::string::npos);
}

}  // namespace
}  // namespace pgcurfew
