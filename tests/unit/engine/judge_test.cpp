#include "engine/judge.hpp"

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

Judgement judged(const std::string& rule, const Session& session) {
  const auto policy = policy_of("rules: [" + rule + "]");
  auto judgement = judge(policy.rules.at(0), session);
  judgement.exception = nullptr;  // it points into the policy, which ends here
  return judgement;
}

TEST(Judge, FallsDueWhenTheAgeReachesItsLimit) {
  const auto j =
      judged("{ name: r, match: { state: active, query_age: 10min }, escalate: [cancel] }", active(1, 0s));
  EXPECT_EQ(j.verdict, Verdict::kDue);
  EXPECT_EQ(j.due, at(10min));
  EXPECT_EQ(j.anchor, at(0s));
}

TEST(Judge, AllAgesMustHoldSoTheLastOneDecides) {
  auto session = active(1, 0s);
  session.key.backend_start = at(-1min);
  const auto j =
      judged("{ name: r, match: { query_age: 10s, session_age: 1h }, escalate: [terminate] }", session);
  EXPECT_EQ(j.due, at(59min));
  EXPECT_EQ(j.clock, Clock::kSessionAge);
  EXPECT_EQ(j.anchor, at(0s)) << "the anchor is the finest age's, whichever decides";
}

TEST(Judge, ANullNeverMatches) {
  const std::string rule = "{ name: r, match: { user: \"*\", transaction_age: 1s }, escalate: [terminate] }";
  auto session = active(1, 0s);
  EXPECT_EQ(judged(rule, session).verdict, Verdict::kDue);
  session.user.reset();
  EXPECT_EQ(judged(rule, session).verdict, Verdict::kNoMatch);
  session = active(1, 0s);
  session.xact_start.reset();
  EXPECT_EQ(judged(rule, session).verdict, Verdict::kNoMatch);
}

TEST(Judge, OnlyClientBackendsUnlessTheRuleNamesOthers) {
  auto session = active(1, 0s);
  session.backend_type = "autovacuum worker";
  EXPECT_EQ(judged("{ name: r, match: { query_age: 1s }, escalate: [cancel] }", session).verdict,
            Verdict::kNoMatch);
  EXPECT_EQ(
      judged("{ name: r, match: { backend_type: autovacuum worker, query_age: 1s }, escalate: [cancel] }",
             session)
          .verdict,
      Verdict::kDue);
}

TEST(Judge, AnExceptionWithoutAgesExempts) {
  const std::string rule =
      "{ name: r, match: { query_age: 1s }, except: [ { user: etl } ], escalate: [cancel] }";
  EXPECT_EQ(judged(rule, active(1, 0s, "etl")).verdict, Verdict::kExempt);
  EXPECT_EQ(judged(rule, active(1, 0s)).verdict, Verdict::kDue);
}

TEST(Judge, TheFirstExceptionThatFitsApplies) {
  const std::string rule =
      "{ name: r, match: { query_age: 1s }, "
      "except: [ { user: etl, query_age: 2h }, { user: \"e*\" } ], escalate: [cancel] }";
  const auto j = judged(rule, active(1, 0s, "etl"));
  EXPECT_EQ(j.verdict, Verdict::kDue);
  EXPECT_EQ(j.due, at(2h));
  EXPECT_EQ(j.limit, Duration(2h));
  EXPECT_EQ(judged(rule, active(1, 0s, "eve")).verdict, Verdict::kExempt);
}

TEST(Judge, AFleetingConditionThatFailsNowIsPendingAndNotForgotten) {
  const std::string rule =
      "{ name: r, match: { state: active, wait_event: ClientWrite, query_age: 5min }, escalate: [terminate] "
      "}";
  const auto j = judged(rule, active(1, 0s));
  EXPECT_EQ(j.verdict, Verdict::kPending);
  EXPECT_EQ(j.due, at(5min));
  auto idle = active(1, 0s);
  idle.state = State::kIdle;
  EXPECT_EQ(judged(rule, idle).verdict, Verdict::kNoMatch)
      << "it cannot become active with the same query_start";
}

TEST(Judge, ARuleWithoutAnAgeIsDueAtOnce) {
  auto session = active(1, 0s);
  EXPECT_EQ(judged("{ name: r, match: { user: app }, escalate: [terminate] }", session).anchor,
            session.key.backend_start);
  EXPECT_EQ(judged("{ name: r, match: { user: app, state: active }, escalate: [terminate] }", session).anchor,
            *session.state_change);
}

TEST(Immunity, OfOwnReplicationWorkersSyncRepAndTheProtected) {
  const auto policy = policy_of(
      "protect: [ { user: backup, application_name: \"pg_dump*\" } ]\n"
      "rules: [ { name: r, match: { query_age: 1s }, escalate: [cancel] } ]");
  auto session = active(1, 0s);
  EXPECT_EQ(immunity_of(policy, session), Immunity::kNone);
  session.is_own = true;
  EXPECT_EQ(immunity_of(policy, session), Immunity::kOwn);
  session = active(1, 0s);
  session.leader_pid = 7;
  EXPECT_EQ(immunity_of(policy, session), Immunity::kParallelWorker);
  session = active(1, 0s);
  session.backend_type = "walsender";
  EXPECT_EQ(immunity_of(policy, session), Immunity::kReplication);
  session = active(1, 0s);
  session.wait_event = "SyncRep";
  EXPECT_EQ(immunity_of(policy, session), Immunity::kSyncRep);
  session = active(1, 0s, "backup");
  EXPECT_EQ(immunity_of(policy, session), Immunity::kNone);
  session.application_name = "pg_dumpall";
  EXPECT_EQ(immunity_of(policy, session), Immunity::kProtected);
}

TEST(Judge, ARuleWithoutAnAgeCountsItsWaitsFromTheAnchorAsItTrulyWas) {
  const auto policy = policy_of("rules: [ { name: r, match: { state: active }, escalate: [ cancel ] } ]");
  ClockSteps steps;
  steps.note(1h, at(10s), at(1h + 9s));
  EXPECT_EQ(judge(policy.rules.at(0), active(1, 5s), steps).due, at(1h + 5s));
}

}  // namespace
}  // namespace pgcurfew::testing
