// The journal of gates at every moment of turning a gate, and the requests to PgBouncer.

#include "drains/gate_keeper.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "events/catalogue.hpp"
#include "support/memory_files.hpp"

namespace pgcurfew {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint32_t kOid = 16384;
constexpr ServerTime kNow{std::chrono::hours(24 * 365 * 26)};

std::string id_of(const pgbouncer::Command& command) {
  if (const auto* turn = std::get_if<pgbouncer::Turn>(&command)) {
    return (turn->order.closes ? "close " : "open ") + turn->order.database;
  }
  if (const auto* look = std::get_if<pgbouncer::Look>(&command)) return "look at " + look->gate.database;
  return "forget " + std::get<pgbouncer::Forget>(command).database;
}

class GateKeeperTest : public ::testing::Test {
 protected:
  /// As the catalog shows them: one database with a limit of its own.
  Gates read(int limit, GateKeeper& keeper) {
    Gates gates;
    gates.taken_at = kNow;
    gates.system_identifier = cluster_;
    auto& gate = gates.gates.emplace_back();
    gate.database = "orders";
    gate.oid = kOid;
    gate.limit = limit;
    gate.access = GateAccess::kJournal;
    keeper.complete(gates);
    return gates;
  }
  Gates read(int limit) { return read(limit, keeper_); }

  static GateOrder closing(const std::string& drain = "nightly", GateKind kind = GateKind::kConnectionLimit) {
    GateOrder order;
    order.id = "1";
    order.database = "orders";
    order.oid = kOid;
    order.kind = kind;
    order.access = GateAccess::kJournal;
    order.mark = {drain, "here", 99, kNow, kNow + std::chrono::hours(1)};
    return order;
  }
  static GateOrder opening(const std::string& mark, GateKind kind = GateKind::kConnectionLimit) {
    auto order = closing("nightly", kind);
    order.id = "2";
    order.closes = false;
    order.in_journal = true;
    order.mark_text = mark;
    return order;
  }
  static GateReply reply(const std::string& id, GateOutcome outcome) {
    GateReply reply;
    reply.id = id;
    reply.outcome = outcome;
    return reply;
  }
  void close(GateOutcome outcome = GateOutcome::kClosed) {
    read(7);
    ASSERT_TRUE(keeper_.turn(closing()));
    auto replied = reply("1", outcome);
    keeper_.complete(replied);
  }
  /// The states of the gates according to the journal of gates.
  std::vector<std::string> states() {
    std::vector<std::string> states;
    const auto contents = GateJournal(files_).read();
    for (const auto& entry : contents->entries) states.emplace_back(name_of(entry.state));
    return states;
  }
  std::string mark() { return GateJournal(files_).read()->entries.at(0).mark; }
  std::vector<std::string> commands() {
    std::vector<std::string> ids;
    for (const auto& command : keeper_.take_commands()) ids.push_back(id_of(command));
    return ids;
  }

  std::string cluster_ = "7301234567890123456";
  testing::MemoryFiles files_;
  GateKeeper keeper_{"main", files_};
};

TEST_F(GateKeeperTest, WritesWhatWasBeforeTheOrderLeavesAndForgetsItWhenTheGateIsOpen) {
  read(7);
  const auto order = keeper_.turn(closing());
  ASSERT_TRUE(order);
  EXPECT_EQ(order->mark.limit, 7) << "as it was read, not as it was ordered";
  EXPECT_THAT(states(), ElementsAre("closing"));
  auto closed = reply("1", GateOutcome::kClosed);
  keeper_.complete(closed);
  EXPECT_THAT(states(), ElementsAre("closed"));
  EXPECT_TRUE(closed.in_journal);
  EXPECT_EQ(closed.mark_text, mark());
  ASSERT_TRUE(keeper_.turn(opening(mark())));
  EXPECT_THAT(states(), ElementsAre("opening"));
  auto opened = reply("2", GateOutcome::kOpened);
  keeper_.complete(opened);
  EXPECT_THAT(states(), IsEmpty());
}

TEST_F(GateKeeperTest, ClosesNothingThatItCannotWriteDown) {
  read(7);
  files_.is_full = true;
  EXPECT_FALSE(keeper_.turn(closing()));
  const auto replies = keeper_.take_replies();
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_EQ(replies[0].outcome, GateOutcome::kFailed);
  files_.is_full = false;
  EXPECT_TRUE(keeper_.turn(closing()));
}

TEST_F(GateKeeperTest, ClosesNothingWhoseEntryIsDamaged) {
  close();
  for (auto& file : files_.files) file.second.resize(file.second.size() / 2);
  GateKeeper other("main", files_);
  read(0, other);
  EXPECT_FALSE(other.turn(closing()));
  EXPECT_EQ(other.take_replies().at(0).error.sqlstate, "55000") << "it takes somebody to mend that";
  EXPECT_THAT(other.take_events(), SizeIs(1));
}

TEST_F(GateKeeperTest, ShowsTheGateOfACrashAsTheLimitTellsIt) {
  read(7);
  ASSERT_TRUE(keeper_.turn(closing()));
  const auto before = files_.files;
  {
    GateKeeper next("main", files_);
    const auto gates = read(0, next);
    EXPECT_EQ(gates.gates.at(0).mark.value().limit, 7) << "it was closed: the reply was lost with us";
    EXPECT_THAT(states(), ElementsAre("closed"));
  }
  files_.files = before;
  GateKeeper next("main", files_);
  EXPECT_FALSE(read(7, next).gates.at(0).mark) << "it was not: there is nothing to give back";
  EXPECT_THAT(states(), IsEmpty());
}

TEST_F(GateKeeperTest, LeavesTheEntryOfARefusedClosingAsItWas) {
  close(GateOutcome::kFailed);
  EXPECT_THAT(states(), IsEmpty());
  close();
  const auto before = files_.files;
  ASSERT_TRUE(keeper_.turn(closing()));
  auto failed = reply("1", GateOutcome::kFailed);
  keeper_.complete(failed);
  EXPECT_EQ(files_.files, before);
}

TEST_F(GateKeeperTest, SaysOfAnotherDrainsGateThatItIsHeld) {
  close();
  EXPECT_FALSE(keeper_.turn(closing("other")));
  const auto replies = keeper_.take_replies();
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_EQ(replies[0].outcome, GateOutcome::kHeld);
  EXPECT_EQ(replies[0].mark->drain, "nightly");
}

TEST_F(GateKeeperTest, TouchesNoEntryOfAnotherCluster) {
  close();
  const auto before = files_.files;
  cluster_ = "7301234567890123457";
  GateKeeper other("main", files_);
  EXPECT_FALSE(read(0, other).gates.at(0).mark);
  const auto events = other.take_events();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, Kind::kGateUnclaimed);
  EXPECT_EQ(fault_of(events[0]), "");
  EXPECT_EQ(files_.files, before);
  read(0, other);
  EXPECT_THAT(other.take_events(), IsEmpty()) << "told once";
}

TEST_F(GateKeeperTest, AnEntryThatCouldNotBeRemovedIsNotTakenForAClosedGate) {
  close();
  ASSERT_TRUE(keeper_.turn(opening(mark())));
  files_.is_full = true;
  auto opened = reply("2", GateOutcome::kOpened);
  keeper_.complete(opened);
  EXPECT_THAT(keeper_.take_events(), SizeIs(1));
  files_.is_full = false;
  EXPECT_FALSE(read(0).gates.at(0).mark) << "that 0 is somebody else's";
  EXPECT_THAT(states(), IsEmpty()) << "and tried again";
}

TEST_F(GateKeeperTest, TurnsPgbouncersGateByCommandsAndLooksAfterIt) {
  read(7);
  EXPECT_FALSE(keeper_.turn(closing("nightly", GateKind::kPgbouncer)))
      << "the link has nothing to do with it";
  EXPECT_THAT(states(), ElementsAre("closing"));
  EXPECT_THAT(commands(), ElementsAre("close orders"));
  keeper_.pgbouncer_turned(reply("1", GateOutcome::kClosed), true);
  EXPECT_THAT(keeper_.take_replies(), SizeIs(1));
  EXPECT_THAT(states(), ElementsAre("closed"));
  EXPECT_THAT(commands(), ElementsAre("look at orders"));

  EXPECT_EQ(read(7).gates.at(1).limit, 0) << "not known yet: taken for closed";
  EXPECT_THAT(commands(), ElementsAre("look at orders"));
  keeper_.pgbouncer_seen("orders", PgbouncerState::kLost);
  EXPECT_TRUE(read(7).gates.at(1).is_lost);
  keeper_.pgbouncer_seen("orders", PgbouncerState::kOpened);
  EXPECT_EQ(read(7).gates.at(1).limit, -1);
  commands();

  EXPECT_FALSE(keeper_.turn(opening(mark(), GateKind::kPgbouncer)));
  EXPECT_THAT(commands(), ElementsAre("open orders"));
  keeper_.pgbouncer_turned(reply("2", GateOutcome::kOpened), true);
  EXPECT_THAT(states(), IsEmpty());
  EXPECT_THAT(commands(), ElementsAre("forget orders"));
  EXPECT_THAT(read(7).gates, SizeIs(1));
}

TEST_F(GateKeeperTest, OfAPgbouncersGateThatIsClosedAgainItForgetsHowItStood) {
  read(7);
  for (int closings = 0; closings < 2; ++closings) {
    ASSERT_FALSE(keeper_.turn(closing("nightly", GateKind::kPgbouncer)));
    commands();
    keeper_.pgbouncer_turned(reply("1", GateOutcome::kClosed), true);
    if (closings == 0) keeper_.pgbouncer_seen("orders", PgbouncerState::kLost);
  }
  EXPECT_THAT(commands(), ElementsAre("forget orders", "look at orders")) << "over a new connection";
  EXPECT_FALSE(read(7).gates.at(1).is_lost);
}

TEST_F(GateKeeperTest, TakesNoPgbouncersGateForClosedThatItHasNotSeenSinceItStarted) {
  read(7);
  ASSERT_FALSE(keeper_.turn(closing("nightly", GateKind::kPgbouncer)));
  keeper_.pgbouncer_turned(reply("1", GateOutcome::kClosed), true);
  EXPECT_FALSE(read(7).gates.at(1).is_lost) << "we have just closed it";
  GateKeeper next("main", files_);
  const auto read_next = [&] { return read(7, next).gates.at(1).is_lost; };
  EXPECT_TRUE(read_next()) << "PgBouncer may have been restarted while nobody looked";
  next.pgbouncer_seen("orders", PgbouncerState::kUnknown);
  EXPECT_TRUE(read_next());
  next.pgbouncer_seen("orders", PgbouncerState::kClosed);
  EXPECT_FALSE(read_next());
  next.pgbouncer_seen("orders", PgbouncerState::kLost);
  EXPECT_TRUE(read_next());
  next.pgbouncer_seen("orders", PgbouncerState::kUnknown);
  EXPECT_TRUE(read_next()) << "a console that does not answer has not closed it";
}

TEST_F(GateKeeperTest, OverwritesNoEntryThatWasNotListed) {
  close();
  const auto before = mark();
  files_.is_unlistable = true;
  GateKeeper next("main", files_);
  read(0, next);
  EXPECT_FALSE(next.turn(closing())) << "the limit of 7 stands there";
  const auto events = next.take_events();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, Kind::kJournalFailed);
  EXPECT_EQ(events[0].server, "main");
  files_.is_unlistable = false;
  EXPECT_EQ(mark(), before);
  EXPECT_TRUE(next.turn(closing()));
}

TEST_F(GateKeeperTest, KeepsAnEntryForWhatPgbouncerMayHaveHeardOf) {
  for (const bool may_have_acted : {false, true}) {
    read(7);
    ASSERT_FALSE(keeper_.turn(closing("nightly", GateKind::kPgbouncer)));
    keeper_.pgbouncer_turned(reply("1", GateOutcome::kUnknown), may_have_acted);
    EXPECT_THAT(states(), SizeIs(may_have_acted ? 1 : 0));
  }
  const auto gates = read(7);
  EXPECT_EQ(gates.gates.at(1).mark->until, gates.gates.at(1).mark->since) << "it is to be opened at once";
}

TEST_F(GateKeeperTest, OfALostConnectionOnlyPgbouncersTurnsGoOn) {
  read(7);
  ASSERT_TRUE(keeper_.turn(closing()));
  auto order = closing("nightly", GateKind::kPgbouncer);
  order.id = "3";
  ASSERT_FALSE(keeper_.turn(order));
  keeper_.connection_lost();
  keeper_.pgbouncer_turned(reply("3", GateOutcome::kClosed), true);
  auto states_now = states();
  std::sort(states_now.begin(), states_now.end());
  EXPECT_THAT(states_now, ElementsAre("closed", "closing"));
  read(7);
  EXPECT_THAT(states(), ElementsAre("closed")) << "the limit is not 0: the server's was never closed";
}

}  // namespace
}  // namespace pgcurfew
