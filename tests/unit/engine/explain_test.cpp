// What `explain` shows of a session under rules on blockers and on groups.

#include "engine/explain.hpp"

#include <algorithm>

#include <gmock/gmock.h>

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

/// A condition's line as `explain` shows it: `no  waits: for no lock itself (is waiting for one)`.
std::string line_of(const RuleFinding& finding, const std::string& field) {
  for (const auto& condition : finding.conditions) {
    if (condition.field != field) continue;
    return std::string(condition.holds ? "yes " : "no  ") + field + ": " + condition.wanted + " (is " +
           condition.actual + ")";
  }
  return "nothing of " + field;
}

RuleFinding first_rule_of(const Desk& desk, std::size_t session) {
  return explain(desk.policy, desk.seen, session).rules.at(0);
}

/// Session 1 blocks 2 and 3, 2 being the migrator's; 2 blocks 3 as well.
Desk queue_of_three(const std::string& match) {
  Desk desk("rules: [ { name: r, match: { " + match + " }, escalate: [ terminate ] } ]");
  const auto second = waiting(2, 1s, "migrator");
  const auto third = waiting(3, 2s);
  desk.look({idle_in_transaction(1, 0s), second, third}, 10s,
            {wait_of(second, {1}, 1s), wait_of(third, {2}, 2s)});
  return desk;
}

TEST(ExplainBlockers, SaysOfAWaiterThatItWaitsItself) {
  const auto desk = queue_of_three("blocks: 1, blocks_for: 1s");
  const auto waiter = first_rule_of(desk, 1);
  EXPECT_EQ(waiter.verdict, Verdict::kNoMatch);
  EXPECT_EQ(line_of(waiter, "waits"), "no  waits: for no lock itself (is waiting for one)");
  EXPECT_EQ(line_of(waiter, "blocks"), "yes blocks: 1 (is 1)");
  EXPECT_EQ(line_of(first_rule_of(desk, 0), "waits"), "yes waits: for no lock itself (is not waiting)");
}

TEST(ExplainBlockers, DoesNotAskThatOfARuleForThoseWhoWaitThemselves) {
  const auto desk = queue_of_three("blocks: 1, blocked_for: 1s");
  EXPECT_EQ(line_of(first_rule_of(desk, 1), "waits"), "nothing of waits");
}

TEST(ExplainBlockers, CountsThoseWhoFit) {
  const auto desk = queue_of_three("blocks: { user: migrator, sessions: 2 }");
  const auto finding = first_rule_of(desk, 0);
  EXPECT_EQ(finding.verdict, Verdict::kPending);
  EXPECT_THAT(line_of(finding, "blocks"), ::testing::StartsWith("no  blocks: "));
  EXPECT_THAT(line_of(finding, "blocks"), ::testing::EndsWith("(is 1 that fit, of 2)"));
}

TEST(ExplainBlockers, ShowsForHowLongTheyHaveWaited) {
  const auto desk = queue_of_three("blocks: { user: migrator, blocked_for: 30s }");
  const auto finding = first_rule_of(desk, 0);
  EXPECT_EQ(finding.verdict, Verdict::kDue);
  EXPECT_EQ(line_of(finding, "blocks.blocked_for"), "no  blocks.blocked_for: 30s (is 9.0s)");
}

Desk idle_sessions(const std::string& keys, const std::vector<Duration>& since) {
  Desk desk("rules: [ { name: r, match: { state: idle, state_age: 60s }, " + keys +
            ", escalate: [ terminate ] } ]");
  std::vector<Session> sessions;
  for (const auto time : since) {
    auto session = active(static_cast<std::int32_t>(sessions.size()) + 1, time);
    session.state = State::kIdle;
    session.xact_start.reset();
    sessions.push_back(session);
  }
  desk.look(sessions, 70s);
  return desk;
}

TEST(ExplainKeep, TellsThoseBeyondItFromThoseThatAreKept) {
  const auto desk = idle_sessions("keep: 2", {0s, 1s, 2s});
  EXPECT_EQ(line_of(first_rule_of(desk, 0), "keep"), "yes keep: beyond 2 (is one of 3 that are due)");
  EXPECT_EQ(line_of(first_rule_of(desk, 1), "keep"), "no  keep: beyond 2 (is one of 3 that are due)");
  EXPECT_EQ(first_rule_of(desk, 0).stand, Stand::kOrdered);
  EXPECT_EQ(first_rule_of(desk, 1).stand, Stand::kKeep);
}

TEST(ExplainKeep, LooksAheadForOneThatIsNotDueYet) {
  // the last two are due at 90s and 100s; then they are the youngest, which `oldest` leaves alone
  const std::vector<Duration> since{0s, 1s, 30s, 40s};
  const auto oldest = idle_sessions("keep: 2", since);
  EXPECT_EQ(line_of(first_rule_of(oldest, 2), "keep"),
            "no  keep: beyond 2 (is one of 3 that will be due then)");
  EXPECT_EQ(first_rule_of(oldest, 2).stand, Stand::kKeep);
  EXPECT_EQ(line_of(first_rule_of(oldest, 0), "keep"), "no  keep: beyond 2 (is one of 2 that are due)");
  const auto newest = idle_sessions("keep: 2, victims: newest", since);
  EXPECT_EQ(line_of(first_rule_of(newest, 3), "keep"),
            "yes keep: beyond 2 (is one of 4 that will be due then)");
  EXPECT_EQ(first_rule_of(newest, 3).stand, Stand::kLimit);
}

TEST(ExplainKeep, SaysOfOneThatDoesNotFitThatItIsNoneOfThem) {
  auto desk = idle_sessions("keep: 2", {0s, 1s, 2s});
  auto sessions = desk.seen.sessions;
  sessions.push_back(active(9, 0s));
  desk.look(sessions, 70s);
  EXPECT_EQ(line_of(first_rule_of(desk, 3), "keep"), "no  keep: beyond 2 (is none of the 3 that are due)");
  EXPECT_EQ(first_rule_of(desk, 3).stand, std::nullopt);
}

TEST(ExplainKeep, SaysOfThoseThatAreDueJustWhatDecideChooses) {
  auto desk = idle_sessions("keep: 3, per: user", {5s, 4s, 3s, 2s, 1s, 0s});
  const auto chosen = pids_of(desk.decide_at(70s).orders);
  ASSERT_EQ(chosen.size(), 3U);
  for (std::size_t i = 0; i < desk.seen.sessions.size(); ++i) {
    const bool is_chosen =
        std::find(chosen.begin(), chosen.end(), desk.seen.sessions[i].key.pid) != chosen.end();
    EXPECT_EQ(first_rule_of(desk, i).stand == Stand::kOrdered, is_chosen) << i;
  }
}

}  // namespace
}  // namespace pgcurfew::testing
