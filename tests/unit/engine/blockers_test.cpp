#include "engine/blockers.hpp"

#include <gmock/gmock.h>

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const char* const kBlocker =
    "rules: [ { name: r, match: { blocks: 2, blocks_for: 5s }, escalate: [ terminate ] } ]";

/// A forgotten transaction (1), an ALTER TABLE that waits for it (2), and readers that wait for that (3, 4).
struct Pile {
  Session forgotten = idle_in_transaction(1, -60s);
  Session alter = waiting(2, 0s, "migrator");
  std::vector<Session> readers{waiting(3, 1s), waiting(4, 2s)};

  [[nodiscard]] std::vector<Session> sessions() const { return {readers[1], forgotten, alter, readers[0]}; }
  [[nodiscard]] std::vector<LockWait> waits(bool has_since = true) const {
    const auto since = [&](Duration time) { return has_since ? std::optional(time) : std::nullopt; };
    return {wait_of(readers[0], {2}, since(1s)), wait_of(alter, {1}, since(0s)),
            wait_of(readers[1], {2, 3}, since(2s))};
  }
};

TEST(Blockers, TheRootBlocksAllWhoWaitThroughOthers) {
  Pile pile;
  Desk desk(kBlocker);
  desk.look(pile.sessions(), 3s, pile.waits());
  const auto& root = desk.seen.sessions[1];
  ASSERT_EQ(root.blocks.size(), 3U);
  EXPECT_EQ(root.blocks[0]->key.pid, 2) << "the longest waiting first";
  EXPECT_EQ(root.blocks[2]->key.pid, 4);
  EXPECT_EQ(desk.seen.sessions[2].blocks.size(), 2U) << "the ALTER TABLE";
  EXPECT_THAT(desk.seen.sessions[0].blocks, IsEmpty());
}

TEST(Blockers, OneBlockerAndItsWaitersGetOneSignal) {
  Pile pile;
  Desk desk(kBlocker);
  desk.look(pile.sessions(), 3s, pile.waits());
  const auto early = desk.decide_at(6s - 1us);
  EXPECT_THAT(early.orders, IsEmpty());
  EXPECT_EQ(early.next_due, at(6s)) << "five seconds after the second of them began to wait";
  const auto stale = desk.decide_at(6s);
  EXPECT_THAT(stale.orders, IsEmpty());
  EXPECT_TRUE(stale.look_now) << "whether they still wait only a look can tell";
  desk.look(pile.sessions(), 6s, pile.waits());
  EXPECT_THAT(pids_of(desk.decide_at(6s).orders), ElementsAre(1));
  EXPECT_THAT(desk.decide_at(60s).orders, IsEmpty()) << "not before a look";
}

TEST(Blockers, AWaiterIsNeverTheVictimOfABlockingRule) {
  Desk desk("rules: [ { name: r, match: { blocks: 1 }, escalate: [ terminate ] } ]");
  Pile pile;
  desk.look(pile.sessions(), 30s, pile.waits());
  EXPECT_THAT(pids_of(desk.decide_at(30s).orders), ElementsAre(1));
}

TEST(Blockers, ARuleWithBlockedForIsForThoseWhoWaitAndHoldUpOthers) {
  Desk desk("rules: [ { name: r, match: { blocks: 2, blocked_for: 10s }, escalate: [ cancel ] } ]");
  Pile pile;
  desk.look(pile.sessions(), 5s, pile.waits());
  EXPECT_THAT(desk.decide_at(10s - 1us).orders, IsEmpty());
  desk.look(pile.sessions(), 10s, pile.waits());
  EXPECT_THAT(pids_of(desk.decide_at(10s).orders), ElementsAre(2));
}

TEST(Blockers, WhoeverComesNextIsCountedFromWhenItWasSeenFree) {
  Desk desk(kBlocker);
  Pile pile;
  desk.look(pile.sessions(), 3s, pile.waits());
  // the forgotten transaction is gone: the ALTER TABLE has its lock, and the readers wait on
  const auto alter = active(2, 0s, "migrator");
  desk.look({alter, pile.readers[0], pile.readers[1]}, 7s,
            {wait_of(pile.readers[0], {2}, 1s), wait_of(pile.readers[1], {2, 3}, 2s)});
  const auto decision = desk.decide_at(7s);
  EXPECT_THAT(decision.orders, IsEmpty()) << "what it held up while it waited itself was another's doing";
  EXPECT_EQ(decision.next_due, at(12s));
  desk.look({alter, pile.readers[0], pile.readers[1]}, 12s,
            {wait_of(pile.readers[0], {2}, 1s), wait_of(pile.readers[1], {2, 3}, 2s)});
  EXPECT_THAT(pids_of(desk.decide_at(12s).orders), ElementsAre(2));
}

const char* const kPatient = "rules: [ { name: r, match: { blocks_for: 10s }, escalate: [ terminate ] } ]";

TEST(Blockers, WhoeverWaitedUnseenBetweenTwoLooksIsCountedFromTheLookThatShowedItFree) {
  Desk desk(kPatient);
  const auto reader = waiting(3, 1200ms);
  desk.look({idle_in_transaction(1, 0s), active(2, -1s)}, 500ms);
  // from 1 s to 8.3 s pid 2 waited for pid 1, and the reader behind it
  const std::vector<Session> sessions{active(2, -1s), reader};
  const std::vector<LockWait> waits{wait_of(reader, {2}, 1200ms)};
  for (const auto look : {9s, 12s, 18s}) desk.look(sessions, look, waits);
  EXPECT_THAT(desk.decide_at(18s).orders, IsEmpty());
  EXPECT_EQ(desk.decide_at(18s).next_due, at(19s));
  desk.look(sessions, 19s, waits);
  EXPECT_THAT(pids_of(desk.decide_at(19s).orders), ElementsAre(2));
}

TEST(Blockers, AnIdleOneHasNotWaitedSinceItsStateChanged) {
  Desk desk(kPatient);
  const auto reader = waiting(3, 1s);
  desk.look({idle_in_transaction(2, 0s), reader}, 9s, {wait_of(reader, {2}, 1s)});
  EXPECT_EQ(desk.decide_at(9s).next_due, at(11s)) << "it has done nothing since the reader began to wait";
  Desk other(kPatient);
  other.look({idle_in_transaction(2, 5s), reader}, 9s, {wait_of(reader, {2}, 1s)});
  EXPECT_EQ(other.decide_at(9s).next_due, at(15s)) << "before that it can have waited itself";
}

TEST(Blockers, EachWhoWaitsCountsFromTheFirstLookThatShowedIt) {
  Desk desk("rules: [ { name: r, match: { blocks: 2, blocks_for: 10s }, escalate: [ cancel ] } ]");
  const auto first = waiting(3, 0s);
  const auto second = waiting(4, 2s);
  const auto wait = wait_of(first, {2}, 0s);
  desk.look({active(2, -1s), first}, 1s, {wait});
  desk.look({active(2, -1s), first, second}, 3s, {wait, wait_of(second, {2}, 2s)});
  EXPECT_EQ(desk.decide_at(3s).next_due, at(13s))
      << "between the looks it can have waited, and held it up so";
  // another wait of session 2
  desk.look({active(2, -1s), first, second}, 5s, {wait, wait_of(second, {2}, 4s)});
  EXPECT_EQ(desk.decide_at(5s).next_due, at(15s));
}

TEST(Blockers, ALookThatDoesNotShowForWhomSomebodyWaitsLeavesWhatIsKnown) {
  Desk desk(kPatient);
  const auto reader = waiting(3, 0s);
  desk.look({active(2, -1s), reader}, 1s, {wait_of(reader, {2}, 0s)});
  desk.look({active(2, -1s), reader}, 4s);
  desk.look({active(2, -1s), reader}, 5s, {wait_of(reader, {2}, 0s)});
  EXPECT_EQ(desk.decide_at(5s).next_due, at(11s));
  desk.memory.lose_sight();
  desk.look({active(2, -1s), reader}, 7s, {wait_of(reader, {2}, 0s)});
  EXPECT_EQ(desk.decide_at(7s).next_due, at(17s)) << "nobody has seen what was in between";
}

TEST(Blockers, WhoseParallelWorkerWaitsIsNoRoot) {
  Desk desk("rules: [ { name: r, match: { blocks: 1 }, escalate: [ terminate ] } ]");
  Pile pile;
  auto worker = waiting(5, 0s);
  worker.leader_pid = 1;
  worker.backend_type = "parallel worker";
  auto sessions = pile.sessions();
  sessions[1] = active(1, -60s);
  sessions.push_back(worker);
  auto waits = pile.waits();
  waits.push_back(wait_of(worker, {77}, 0s));
  desk.look(sessions, 30s, waits);
  EXPECT_THAT(desk.decide_at(30s).orders, IsEmpty());
  sessions.pop_back();
  desk.look(sessions, 31s, pile.waits());
  EXPECT_THAT(pids_of(desk.decide_at(31s).orders), ElementsAre(1)) << "it waits no more";
}

TEST(Blockers, WhoeverAChainHasJustComeToWaitForIsCountedFromThen) {
  // the reader has waited for another session for a minute, which began to wait for this session a moment ago
  Desk desk("rules: [ { name: r, match: { blocks_for: 5s }, escalate: [ terminate ] } ]");
  const auto other = waiting(2, 58s);
  const auto reader = waiting(3, -2s);
  const std::vector<Session> sessions{idle_in_transaction(1, 57s), other, reader};
  const std::vector<LockWait> waits{wait_of(reader, {2}, -2s), wait_of(other, {1}, 58s)};
  desk.look(sessions, 59s, waits);
  const auto decision = desk.decide_at(59s);
  EXPECT_THAT(decision.orders, IsEmpty());
  EXPECT_EQ(decision.next_due, at(63s));
  desk.look(sessions, 63s, waits);
  EXPECT_THAT(pids_of(desk.decide_at(63s).orders), ElementsAre(1));
}

TEST(Blockers, AWaiterThatIsHeldUpOnTwoWaysCountsByTheOlder) {
  Desk desk("rules: [ { name: r, match: { blocks_for: 5s }, escalate: [ terminate ] } ]");
  const auto other = waiting(2, 58s);
  const auto reader = waiting(3, 50s);
  desk.look({idle_in_transaction(1, 40s), other, reader}, 59s,
            {wait_of(reader, {2, 1}, 50s), wait_of(other, {1}, 58s)});
  EXPECT_THAT(pids_of(desk.decide_at(59s).orders), ElementsAre(1));
}

TEST(Blockers, BlockedForInBlocksIsTheWaitersOwnWhoeverItWaitedFor) {
  Desk desk("rules: [ { name: r, match: { blocks: { blocked_for: 5s } }, escalate: [ terminate ] } ]");
  const auto other = waiting(2, 58s);
  const auto reader = waiting(3, -2s);
  desk.look({idle_in_transaction(1, 57s), other, reader}, 59s,
            {wait_of(reader, {2}, -2s), wait_of(other, {1}, 58s)});
  EXPECT_THAT(pids_of(desk.decide_at(59s).orders), ElementsAre(1));
}

TEST(Blockers, WithoutWaitstartAWaitCountsFromTheFirstLookThatShowedIt) {
  Desk desk(kBlocker);
  Pile pile;
  desk.look(pile.sessions(), 3s, pile.waits(false));
  desk.look(pile.sessions(), 7s, pile.waits(false));
  EXPECT_THAT(desk.decide_at(8s - 1us).orders, IsEmpty());
  EXPECT_THAT(pids_of(desk.decide_at(8s).orders), ElementsAre(1));
}

TEST(Blockers, WithoutWaitstartAWaitThatBeganAfterTheRowsIsForTheNextLook) {
  Desk desk("rules: [ { name: r, match: { blocks_for: 5s }, escalate: [ terminate ] } ]");
  const auto holder = idle_in_transaction(1, -60s);
  const auto waiter = waiting(2, 3s);
  desk.look({holder, active(2, 3s)}, 4s, {wait_of(waiter, {1}, std::nullopt)});
  EXPECT_THAT(desk.decide_at(4s).next_due, std::nullopt);
  desk.look({holder, waiter}, 5s, {wait_of(waiter, {1}, std::nullopt)});
  EXPECT_EQ(desk.decide_at(6s).next_due, at(10s));
}

TEST(Blockers, WithoutWaitstartAWaitCountsFromWhenItWasReadAndNotFromTheRows) {
  Desk desk("rules: [ { name: r, match: { blocks_for: 5s }, escalate: [ terminate ] } ]");
  const auto waiter = waiting(3, 0s);
  const std::vector<Session> sessions{idle_in_transaction(1, -60s), idle_in_transaction(2, -60s), waiter};
  desk.look(sessions, 1s, {wait_of(waiter, {1}, std::nullopt)});
  desk.seen.under_way = 800ms;
  desk.look(sessions, 2s, {wait_of(waiter, {2}, std::nullopt)});
  EXPECT_EQ(desk.decide_at(3s).next_due, at(7s + 800ms))
      << "it can have begun to wait for pid 2 since the rows";
}

TEST(Blockers, WithoutWaitstartTheSameWaitCountsOnAtTheNextLook) {
  Desk desk("rules: [ { name: r, match: { blocks_for: 5s }, escalate: [ terminate ] } ]");
  const auto waiter = waiting(3, 0s);
  const std::vector<Session> sessions{active(1, 0s), waiter};
  desk.seen.under_way = 800ms;
  desk.look(sessions, 1s, {wait_of(waiter, {1}, std::nullopt)});
  desk.look(sessions, 2s, {wait_of(waiter, {1}, std::nullopt)});
  EXPECT_EQ(desk.decide_at(3s).next_due, at(6s + 800ms));
}

TEST(Blockers, WithoutWaitstartAWaitForOthersAltogetherIsAnotherWait) {
  Desk desk("rules: [ { name: r, match: { blocked_for: 5s }, escalate: [ cancel ] } ]");
  const auto waiter = waiting(3, 0s);
  const std::vector<Session> sessions{idle_in_transaction(1, -60s), idle_in_transaction(2, -60s), waiter};
  desk.look(sessions, 1s, {wait_of(waiter, {1, 2}, std::nullopt)});
  desk.look(sessions, 2s, {wait_of(waiter, {2}, std::nullopt)});
  EXPECT_EQ(desk.decide_at(5s).next_due, at(6s)) << "one of the two is gone: the same wait";
  desk.look(sessions, 4s, {wait_of(waiter, {1}, std::nullopt)});
  EXPECT_EQ(desk.decide_at(5s).next_due, at(9s));
}

TEST(Blockers, WithoutWaitstartAWaitForWhatALaterTransactionHoldsIsAnotherWait) {
  Desk desk("rules: [ { name: r, match: { blocked_for: 5s }, escalate: [ cancel ] } ]");
  const auto waiter = waiting(2, 0s);
  desk.look({idle_in_transaction(1, -60s), waiter}, 1s, {wait_of(waiter, {1}, std::nullopt)});
  auto holder = idle_in_transaction(1, 4s);
  desk.look({holder, waiter}, 5s, {wait_of(waiter, {1}, std::nullopt)});
  EXPECT_EQ(desk.decide_at(5s).next_due, at(10s)) << "its transaction began after the look before";
  desk.look({holder, waiter}, 7s, {wait_of(waiter, {1}, std::nullopt)});
  EXPECT_EQ(desk.decide_at(7s).next_due, at(10s));
}

TEST(Blockers, WithoutWaitstartAWaitOfWhichNobodyReadForWhomItIsCountsFromWhenThatWasRead) {
  Desk desk("rules: [ { name: r, match: { blocked_for: 5s }, escalate: [ cancel ] } ]");
  const auto waiter = waiting(2, 0s);
  const auto holder = idle_in_transaction(1, -60s);
  desk.look({holder, waiter}, 1s);
  desk.look({holder, waiter}, 4s, {wait_of(waiter, {1}, std::nullopt)});
  EXPECT_EQ(desk.decide_at(4s).next_due, at(9s)) << "it can have waited for another before";
}

TEST(Blockers, AnotherStatementsWaitIsAnotherWait) {
  Desk desk("rules: [ { name: r, match: { blocked_for: 5s }, escalate: [ cancel ] } ]");
  auto waiter = waiting(2, 0s);
  const auto holder = idle_in_transaction(1, -60s);
  desk.look({holder, waiter}, 1s, {wait_of(waiter, {1}, std::nullopt)});
  waiter.query_start = waiter.state_change = at(4s);
  desk.look({holder, waiter}, 5s, {wait_of(waiter, {1}, std::nullopt)});
  EXPECT_THAT(desk.decide_at(10s - 1us).orders, IsEmpty());
  desk.look({holder, waiter}, 10s, {wait_of(waiter, {1}, std::nullopt)});
  EXPECT_EQ(desk.decide_at(10s).orders.size(), 1U);
}

TEST(Blockers, AStatementThatWaitsAgainAndAgainIsNotOneThatWaitsLong) {
  Desk desk("rules: [ { name: r, match: { blocked_for: 5s }, escalate: [ cancel ] } ]");
  const auto holder = idle_in_transaction(1, -60s);
  const auto waiter = waiting(2, 0s);
  desk.look({holder, waiter}, 1s, {wait_of(waiter, {1}, 0s)});
  // it got its row, and waits for the next one: the statement is the same
  desk.look({holder, waiter}, 5s, {wait_of(waiter, {1}, 4900ms)});
  const auto decision = desk.decide_at(5s);
  EXPECT_THAT(decision.orders, IsEmpty());
  EXPECT_EQ(decision.next_due, at(9900ms));
}

TEST(Blockers, WhereTheWaitsCouldNotBeReadABlockingRuleDoesNothing) {
  Desk desk(kBlocker);
  Pile pile;
  desk.look(pile.sessions(), 3s, pile.waits(false));
  desk.look(pile.sessions(), 9s);
  EXPECT_THAT(desk.decide_at(9s).orders, IsEmpty());
  desk.look(pile.sessions(), 10s, pile.waits(false));
  EXPECT_THAT(pids_of(desk.decide_at(10s).orders), ElementsAre(1)) << "and what was known of them goes on";
}

const char* const kMigration =
    "rules: [ { name: r, match: { blocks: { user: migrator, blocked_for: 5s } }, escalate: [ cancel, "
    "terminate: { after: 2s } ] } ]";

TEST(Blockers, NobodyHoldsUpTheMigration) {
  Desk desk(kMigration);
  Pile pile;
  desk.look(pile.sessions(), 3s, pile.waits());
  EXPECT_THAT(desk.decide_at(5s - 1us).orders, IsEmpty());
  const auto decision = desk.decide_at(5s);
  EXPECT_THAT(decision.orders, IsEmpty()) << "a cancel does nothing to an idle transaction; its grace runs";
  EXPECT_EQ(decision.next_due, at(7s));
  desk.look(pile.sessions(), 7s, pile.waits());
  EXPECT_THAT(pids_of(desk.decide_at(7s).orders), ElementsAre(1));
}

TEST(Blockers, OnlyThoseWhoFitCount) {
  Desk desk(
      "rules: [ { name: r, match: { blocks: { user: migrator, sessions: 2 } }, escalate: [ terminate ] } ]");
  Pile pile;
  desk.look(pile.sessions(), 30s, pile.waits());
  EXPECT_THAT(desk.decide_at(30s).orders, IsEmpty());
}

TEST(Blockers, TheGuardFindsTheChainOfWaitsAgain) {
  Desk desk(kMigration);
  Pile pile;
  // the migrator waits behind a reader, which waits behind the forgotten transaction
  auto waits = std::vector<LockWait>{wait_of(pile.alter, {3}, 0s), wait_of(pile.readers[0], {1}, 0s)};
  desk.look({pile.forgotten, pile.alter, pile.readers[0]}, 7s, waits);
  const auto guard = desk.decide_at(7s).orders.at(0).guard;
  EXPECT_THAT(guard.edges, ElementsAre(BlockEdge{pile.readers[0].key, pile.readers[0].query_start, 1},
                                       BlockEdge{pile.alter.key, pile.alter.query_start, 3}));
  EXPECT_TRUE(guard.may_not_wait_for_lock);
  EXPECT_EQ(guard.xact_start, Unchanged<ServerTime>(pile.forgotten.xact_start)) << "the anchor";
}

TEST(Blockers, TheGuardOfOneWhoMayWaitHasItWaitStill) {
  Desk desk("rules: [ { name: r, match: { blocked_for: 1s }, escalate: [ cancel ] } ]");
  Pile pile;
  desk.look(pile.sessions(), 3s, pile.waits());
  const auto guard = desk.decide_at(3s).orders.at(0).guard;
  EXPECT_FALSE(guard.may_not_wait_for_lock);
  EXPECT_TRUE(holds(guard, Field::kWaitEventType, std::string("Lock")));
  EXPECT_FALSE(holds(guard, Field::kWaitEventType, std::string("LWLock")));
  EXPECT_TRUE(guard.query_start.has_value());
  EXPECT_THAT(guard.edges, ElementsAre(BlockEdge{pile.alter.key, pile.alter.query_start, 1}))
      << "a statement can wait once more, for another";
}

TEST(Blockers, TheGuardOfOneWhoMayWaitHoldsItsStatementWhateverTheAnchor) {
  Desk desk("rules: [ { name: r, match: { blocked_for: 1s, transaction_age: 2s }, escalate: [ cancel ] } ]");
  Pile pile;
  desk.look(pile.sessions(), 3s, pile.waits());
  const auto guard = desk.decide_at(3s).orders.at(0).guard;
  EXPECT_EQ(guard.session, pile.alter.key);
  EXPECT_EQ(guard.query_start, Unchanged<ServerTime>(pile.alter.query_start))
      << "the wait of a later statement of the same transaction is another one";
}

TEST(Blockers, APreparedTransactionIsNobodysVictimAndItsWaitersAreNoRoots) {
  Desk desk("rules: [ { name: r, match: { blocks: 1 }, escalate: [ terminate ] } ]");
  Pile pile;
  desk.look(
      pile.sessions(), 30s,
      {wait_of(pile.alter, {0}, 0s), wait_of(pile.readers[0], {2}, 1s), wait_of(pile.readers[1], {2}, 2s)});
  EXPECT_THAT(desk.decide_at(30s).orders, IsEmpty());
}

TEST(Blockers, ADeadlockHasNoRoot) {
  Desk desk("rules: [ { name: r, match: { blocks: 1 }, escalate: [ terminate ] } ]");
  const auto one = waiting(1, 0s);
  const auto two = waiting(2, 0s);
  desk.look({one, two}, 1s, {wait_of(one, {2}, 0s), wait_of(two, {1}, 0s)});
  EXPECT_THAT(desk.decide_at(1s).orders, IsEmpty());
}

TEST(Blockers, AnAbortedTransactionThatStillHoldsItsLockIsMet) {
  Desk desk(kBlocker);
  Pile pile;
  pile.forgotten.state = State::kIdleInTransactionAborted;
  pile.forgotten.xact_start.reset();
  desk.look(pile.sessions(), 6s, pile.waits());
  const auto order = desk.decide_at(6s).orders.at(0);
  EXPECT_EQ(order.guard.state_change, Unchanged<ServerTime>(pile.forgotten.state_change));
  ASSERT_TRUE(order.guard.xact_start.has_value());
  EXPECT_EQ(*order.guard.xact_start, std::nullopt) << "still none";
}

TEST(Blockers, TheIntentSaysHowManyWait) {
  Desk desk(kBlocker);
  Pile pile;
  desk.look(pile.sessions(), 6s, pile.waits());
  const auto decision = desk.decide_at(6s);
  const auto& intent = decision.events.at(0);
  EXPECT_EQ(intent.message,
            "about to terminate pid 1 app@app (rule r): blocks 3 sessions, blocks_for 5.0s of limit 5s");
}

TEST(Blockers, FiveHundredInOneQueueAreLinkedWithinReason) {
  Desk desk(kBlocker);
  std::vector<Session> sessions{idle_in_transaction(1, -60s)};
  std::vector<LockWait> waits;
  std::vector<std::int32_t> ahead{1};
  for (std::int32_t pid = 2; pid < 502; ++pid) {
    sessions.push_back(waiting(pid, 0s));
    waits.push_back(wait_of(sessions.back(), ahead, 0s));
    ahead.push_back(pid);
  }
  desk.look(sessions, 5s, waits);
  EXPECT_EQ(desk.seen.sessions[0].blocks.size(), 500U);
  const auto orders = desk.decide_at(5s).orders;
  EXPECT_THAT(pids_of(orders), ElementsAre(1));
  EXPECT_LE(orders.at(0).guard.edges.size(), kMostBlockEdges);
}

TEST(Blockers, ARuleThatGivesWaitsNoTimeHasTheServerLookedAtOnceASecond) {
  Desk desk("rules: [ { name: r, match: { blocks: 1, transaction_age: 1h }, escalate: [ terminate ] } ]");
  desk.look({idle_in_transaction(1, 0s)}, 1s);
  EXPECT_EQ(desk.docket.pending_from, at(1h - 2s)) << "from when it is old enough on";
  Desk patient(kBlocker);
  patient.look({idle_in_transaction(1, 0s)}, 1s);
  EXPECT_EQ(patient.docket.pending_from, std::nullopt)
      << "whoever blocks for five seconds is seen within them";
  EXPECT_LT(plan_looks(patient.policy).interval, 5s);
}

}  // namespace
}  // namespace pgcurfew::testing
