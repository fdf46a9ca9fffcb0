#include "watch/spared_blockers.hpp"

#include <gmock/gmock.h>

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A session that the policy spares blocks another one.
struct Queue {
  explicit Queue(const std::string& policy) : desk(policy) { holder.application_name = "pg_dump"; }

  std::vector<Event> look(Duration now, bool is_held_up = true) {
    std::vector<LockWait> waits;
    if (is_held_up) waits.push_back(wait_of(waiter, {1}, 0s));
    desk.look(is_held_up ? std::vector{holder, waiter} : std::vector{holder}, now, waits);
    return spared.tell(desk.policy, desk.seen, desk.docket);
  }

  Session holder = idle_in_transaction(1, -60s);
  Session waiter = waiting(2, 0s);
  Desk desk;
  SparedBlockers spared;
};

const char* const kRule =
    "rules: [ { name: r, match: { blocks: 1, blocks_for: 5s }, escalate: [ terminate ] } ]";

TEST(SparedBlockers, AProtectedOneIsReportedOncePastTheLimitWithItsProtection) {
  Queue queue(kRule);
  EXPECT_THAT(queue.look(5s - 1us), IsEmpty());
  const auto told = queue.look(6s);
  ASSERT_THAT(kinds_of(told), ElementsAre("spared_blocker"));
  EXPECT_EQ(told[0].level, Level::kWarning);
  EXPECT_EQ(told[0].message,
            "pid 1 app@app blocks 1 session past the limit of rule r (blocks_for 6.0s of limit 5s) and is "
            "spared: built-in protection dumps");
  EXPECT_EQ(text_field(told[0], "reason"), "built-in protection dumps");
  EXPECT_EQ(text_field(told[0], "rule"), "r");
  EXPECT_THAT(queue.look(7s), IsEmpty());
  EXPECT_THAT(queue.desk.decide_at(8s).orders, IsEmpty());
}

TEST(SparedBlockers, WaitersThatComeAndGoBeginNoNewEpisode) {
  Queue queue(kRule);
  EXPECT_THAT(queue.look(6s), SizeIs(1));
  EXPECT_THAT(queue.look(7s, false), IsEmpty());
  queue.waiter = waiting(2, 8s);
  EXPECT_THAT(queue.look(9s), IsEmpty());
  EXPECT_THAT(queue.look(30s), IsEmpty());
}

TEST(SparedBlockers, AnotherTransactionOrSessionIsReportedAgain) {
  Queue queue(kRule);
  EXPECT_THAT(queue.look(6s), SizeIs(1));
  queue.holder.xact_start = at(7s);
  queue.look(8s, false);
  EXPECT_THAT(queue.look(20s), SizeIs(1));
  queue.holder.key.backend_start = at(21s);
  EXPECT_THAT(queue.look(22s), SizeIs(1));
}

TEST(SparedBlockers, AnExceptionOfTheRuleSparesAsWell) {
  Queue queue(
      "rules: [ { name: r, match: { blocks: 1, blocks_for: 5s }, except: [ { user: app } ], escalate: [ "
      "terminate ] } ]");
  queue.holder.application_name = "psql";
  const auto told = queue.look(6s);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(text_field(told[0], "reason"), "exception 1 of the rule");
}

TEST(SparedBlockers, ALockThatOutlivesItsTransactionsIsReportedOnce) {
  // a session-level advisory lock: its holder runs one short statement after the other
  Queue queue(kRule);
  std::size_t told = 0;
  for (int second = 6; second < 60; ++second) {
    const auto now = std::chrono::seconds(second);
    queue.holder.xact_start = queue.holder.state_change = at(now - 100ms);
    told += queue.look(now).size();
  }
  EXPECT_EQ(told, 1U);
}

TEST(SparedBlockers, AnotherBackendThanAClientsIsReportedThoughTheRuleIsForClients) {
  Queue queue(kRule);
  queue.holder = active(1, -60s);
  queue.holder.backend_type = "autovacuum worker";
  queue.holder.user.reset();
  queue.look(6s);
  const auto told = queue.look(12s);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(text_field(told[0], "reason"), "not a client backend, but autovacuum worker");
  EXPECT_THAT(queue.desk.decide_at(12s).orders, IsEmpty());
}

TEST(SparedBlockers, SessionsThatTheRuleEndsOrIsNotForAreNotReported) {
  Queue unprotected(kRule);
  unprotected.holder.application_name = "psql";
  EXPECT_THAT(unprotected.look(6s), IsEmpty()) << "the rule acts on it";
  EXPECT_THAT(unprotected.desk.decide_at(6s).orders, SizeIs(1));
  Queue other("rules: [ { name: r, match: { user: web, blocks: 1 }, escalate: [ terminate ] } ]");
  EXPECT_THAT(other.look(6s), IsEmpty()) << "the rule is for others";
  Queue age("rules: [ { name: r, match: { state_age: 1s }, escalate: [ terminate ] } ]");
  EXPECT_THAT(age.look(6s), IsEmpty()) << "it is not about blockers";
}

TEST(SparedBlockers, ARuleThatDoesNotHoldNowReportsNothing) {
  Queue standby(
      "rules: [ { name: r, when: { role: standby }, match: { blocks: 1 }, escalate: [ terminate ] } ]");
  EXPECT_THAT(standby.look(6s), IsEmpty());
  standby.desk.seen.in_recovery = true;
  EXPECT_THAT(standby.look(7s), SizeIs(1));
  // kStart is midnight in UTC
  Queue later(
      "rules: [ { name: r, match: { blocks: 1 }, during: { from: '00:01', to: '00:02', timezone: UTC }, "
      "escalate: [ terminate ] } ]");
  EXPECT_THAT(later.look(6s), IsEmpty());
  EXPECT_THAT(later.look(70s), SizeIs(1));
}

TEST(SparedBlockers, ACommitThatWaitsForAStandbyIsReported) {
  Queue queue(kRule);
  queue.holder.application_name = "psql";
  queue.holder.wait_event_type = "IPC";
  queue.holder.wait_event = "SyncRep";
  queue.holder.state = State::kActive;
  queue.look(6s);
  const auto told = queue.look(12s);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(text_field(told[0], "reason"), "waits for synchronous replication");
}

TEST(SparedBlockers, NothingIsKeptAboutSessionsThatAreGone) {
  Queue queue(kRule);
  EXPECT_THAT(queue.look(6s), SizeIs(1));
  queue.desk.look({}, 7s);
  queue.spared.tell(queue.desk.policy, queue.desk.seen, queue.desk.docket);
  EXPECT_THAT(queue.look(8s), SizeIs(1)) << "by the pid it is the same, but nobody can know that";
}

}  // namespace
}  // namespace pgcurfew::testing
