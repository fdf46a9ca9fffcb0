// A rule's conditions on the server, on the hour, and on what it has done before.

#include <gmock/gmock.h>

#include "engine/engine_fixture.hpp"
#include "engine/explain.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string rule_with(const std::string& keys, const std::string& escalate = "[ cancel ]") {
  return "rules: [ { name: r, match: { state: active, query_age: 10s }, " + keys + ", escalate: " + escalate +
         " } ]";
}

TEST(When, ARuleForTheStandbyDoesNothingOnThePrimary) {
  Desk desk(rule_with("when: { role: standby }"));
  desk.look({active(1, 0s)}, 20s);
  EXPECT_THAT(desk.decide_at(20s).orders, IsEmpty());
  EXPECT_EQ(desk.docket.pending_from, std::nullopt) << "nor is the server watched for its promotion";
  desk.seen.in_recovery = true;
  desk.look({active(1, 0s)}, 21s);
  const auto orders = desk.decide_at(21s).orders;
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].guard.in_recovery, true);
}

TEST(When, CountsTheSlotsThatAreOpenToAll) {
  Desk desk(rule_with("when: { connections_used: 50% }"));
  desk.seen.connection_slots = 5;
  desk.look({active(1, 0s), active(2, 0s)}, 20s);
  EXPECT_THAT(desk.decide_at(20s).orders, IsEmpty());
  EXPECT_EQ(desk.docket.pending_from, at(10s)) << "slots can be taken at any moment";
  desk.seen.connection_slots = 4;
  desk.look({active(1, 0s), active(2, 0s)}, 21s);
  EXPECT_EQ(desk.decide_at(21s).orders.size(), 2U);
  desk.seen.connection_slots = 0;
  desk.look({active(3, 0s), active(4, 0s)}, 22s);
  EXPECT_THAT(desk.decide_at(22s).orders, IsEmpty()) << "not known: not met";
}

TEST(When, ALadderGoesOnWhereItStoodWhenItHoldsAgain) {
  Desk desk(rule_with("when: { role: standby }", "[ cancel, terminate: { after: 5s } ]"));
  desk.seen.in_recovery = true;
  desk.look({active(1, 0s)}, 10s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  desk.seen.in_recovery = false;
  EXPECT_THAT(desk.look({active(1, 0s)}, 14s), ElementsAre(::testing::Field(&Event::kind, Kind::kVerified)));
  EXPECT_THAT(desk.decide_at(20s).orders, IsEmpty());
  desk.seen.in_recovery = true;
  desk.look({active(1, 0s)}, 21s);
  const auto orders = desk.decide_at(21s).orders;
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].step, StepKind::kTerminate);
}

/// kStart is midnight UTC.
TEST(HoursOfARule, OutsideOfThemItDoesNothingAndWakesWhenTheyBegin) {
  Desk desk(rule_with("during: { from: \"08:00\", to: \"18:00\", timezone: UTC }"));
  desk.look({active(1, 7h)}, 7h + 30min);
  const auto decision = desk.decide_at(7h + 30min);
  EXPECT_THAT(decision.orders, IsEmpty());
  EXPECT_EQ(decision.next_due, at(8h));
  EXPECT_EQ(desk.decide_at(8h).orders.size(), 1U);
}

TEST(HoursOfARule, AnOrderTakesNoEffectBeforeThem) {
  Desk desk(rule_with("during: { from: \"08:00\", to: \"18:00\", timezone: UTC }"));
  desk.look({active(1, 7h)}, 8h);
  EXPECT_EQ(desk.decide_at(8h).orders.at(0).guard.not_before, at(8h))
      << "what is known of the clock is an estimate";
}

TEST(HoursOfARule, NoLookFromBeforeThemCondemnsAHerd) {
  Desk desk(
      "rules: [ { name: r, match: { state: active, query_age: 1h }, escalate: [ cancel ], "
      "during: { from: \"08:00\", to: \"18:00\", timezone: UTC } } ]");
  std::vector<Session> herd;
  for (int pid = 1; pid <= 12; ++pid) herd.push_back(active(pid, 6h));
  desk.look(herd, 7h + 10min);
  const auto first = desk.decide_at(8h);
  EXPECT_THAT(first.orders, IsEmpty()) << "they may have ended since";
  EXPECT_THAT(first.events, IsEmpty());
  EXPECT_TRUE(first.look_at_once);
  desk.look({active(1, 6h)}, 8h);
  EXPECT_EQ(desk.decide_at(8h).orders.size(), 1U);
}

TEST(Elder, HasATenthOfASecondAndALookBeforeTheYoungerSignals) {
  Desk desk("rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ cancel ] } ]");
  desk.seen.elder = SessionKey{99, at(-1h)};
  desk.look({active(1, 0s)}, 9s);
  const auto due = desk.decide_at(10s);
  EXPECT_THAT(due.orders, IsEmpty());
  EXPECT_EQ(due.next_due, at(10s + 100ms));
  const auto later = desk.decide_at(10s + 100ms);
  EXPECT_THAT(later.orders, IsEmpty()) << "no look has shown what it did";
  EXPECT_TRUE(later.look_at_once);
  desk.look({active(1, 0s)}, 10s + 100ms);
  EXPECT_EQ(desk.decide_at(10s + 101ms).orders.size(), 1U);
}

TEST(Elder, HasItsTimeFromTheBeginningOfTheHours) {
  Desk desk(rule_with("during: { from: \"08:00\", to: \"18:00\", timezone: UTC }"));
  desk.seen.elder = SessionKey{99, at(-1h)};
  desk.look({active(1, 7h)}, 8h - 1s);
  EXPECT_THAT(desk.decide_at(8h + 1ms).orders, IsEmpty());
  desk.look({active(1, 7h)}, 8h + 50ms);
  EXPECT_TRUE(desk.decide_at(8h + 110ms).look_at_once);
  desk.look({active(1, 7h)}, 8h + 110ms);
  EXPECT_EQ(desk.decide_at(8h + 110ms).orders.size(), 1U);
}

TEST(HoursOfARule, AnOrderDoesNotOutliveThem) {
  Desk desk(rule_with("during: { from: \"08:00\", to: \"18:00\", timezone: UTC }"));
  desk.look({active(1, 17h)}, 18h - 2s);
  EXPECT_EQ(desk.decide_at(18h - 2s).orders.at(0).guard.not_after, at(18h));
  desk.look({active(2, 17h)}, 18h);
  EXPECT_THAT(desk.decide_at(18h).orders, IsEmpty());
}

TEST(HoursOfARule, ALaterStepWaitsForThemToo) {
  Desk desk(rule_with("not_during: { from: \"18:00\", to: \"08:00\", timezone: UTC }",
                      "[ cancel, terminate: { after: 30s } ]"));
  desk.look({active(1, 17h)}, 18h - 2s);
  desk.reply(desk.decide_at(18h - 2s).orders.at(0), ReplyKind::kSignalled, 18h - 2s);
  desk.look({active(1, 17h)}, 18h + 1min);
  const auto decision = desk.decide_at(18h + 1min);
  EXPECT_THAT(decision.orders, IsEmpty());
  EXPECT_EQ(decision.next_due, at(32h));
  EXPECT_EQ(desk.decide_at(32h).orders.at(0).step, StepKind::kTerminate);
}

/// Cancels the query of a session that began ten seconds before `now`, and sees it end.
void cancel_one(Desk& desk, std::int32_t pid, Duration now, const std::string& user = "app") {
  desk.look({active(pid, now - 10s, user)}, now);
  const auto orders = desk.decide_at(now).orders;
  ASSERT_EQ(orders.size(), 1U);
  ASSERT_EQ(orders[0].step, StepKind::kCancel);
  desk.reply(orders[0], ReplyKind::kSignalled, now);
  desk.look({}, now + 1s);
}

TEST(RepeatOfARule, TheGuardHoldsForWhomItCounts) {
  Desk desk(rule_with("repeat: { times: 3, within: 10min, per: application_name, then: terminate }"));
  desk.look({active(1, 0s)}, 10s);
  EXPECT_EQ(desk.decide_at(10s).orders.at(0).guard.texts.at(Field::kApplicationName).unchanged,
            std::optional<std::string>("psql"));
}

TEST(RepeatOfARule, TheGuardHoldsTheNumberByWhichItCounts) {
  Desk desk(rule_with("repeat: { times: 3, within: 10min, per: query_id, then: terminate }"));
  auto session = active(1, 0s);
  for (const auto id : {std::optional<std::int64_t>(-4711), std::optional<std::int64_t>()}) {
    session.query_id = id;
    desk.look({session}, 10s);
    const auto orders = desk.decide_at(10s).orders;
    ASSERT_EQ(orders.size(), 1U);
    EXPECT_EQ(orders[0].guard.numbers.at(Field::kQueryId), id);
    desk.reply(orders[0], ReplyKind::kMovedOn, 10s);
  }
}

TEST(RepeatOfARule, AClientThatSendsTheQueryAgainIsTerminatedAtOnce) {
  Desk desk(rule_with("repeat: { times: 2, within: 10min, then: terminate }"));
  cancel_one(desk, 1, 1min);
  cancel_one(desk, 2, 2min, "etl");
  cancel_one(desk, 1, 3min);
  desk.look({active(3, 4min), active(4, 4min, "etl")}, 4min + 10s);
  const auto orders = desk.decide_at(4min + 10s).orders;
  ASSERT_EQ(orders.size(), 2U);
  EXPECT_EQ(orders[0].step, StepKind::kTerminate) << "user app, the third time";
  EXPECT_EQ(orders[1].step, StepKind::kCancel) << "user etl is counted apart";
}

TEST(RepeatOfARule, SaysOnceThatItHasComeToThat) {
  Desk desk(rule_with("repeat: { times: 2, within: 10min, then: alert }"));
  cancel_one(desk, 1, 1min);
  desk.look({active(1, 2min)}, 2min + 10s);
  const auto events = desk.reply(desk.decide_at(2min + 10s).orders.at(0), ReplyKind::kSignalled, 2min + 10s);
  ASSERT_THAT(kinds_of(events), ElementsAre("outcome", "repeat"));
  EXPECT_EQ(events[1].message,
            "rule r has acted 2 times within 10min on user app: look at what this user keeps sending");
  desk.look({active(1, 3min)}, 3min + 10s);
  EXPECT_THAT(
      kinds_of(desk.reply(desk.decide_at(3min + 10s).orders.at(0), ReplyKind::kSignalled, 3min + 10s)),
      ElementsAre("outcome"));
}

TEST(RepeatOfARule, ForgetsWhatWasLongAgo) {
  Desk desk(rule_with("repeat: { times: 2, within: 10min, then: terminate }"));
  cancel_one(desk, 1, 1min);
  cancel_one(desk, 1, 3min);
  cancel_one(desk, 1, 11min);
}

TEST(RepeatOfARule, PausesForThoseAlone) {
  Desk desk(rule_with("repeat: { times: 2, within: 10min, then: pause }"));
  cancel_one(desk, 1, 1min);
  cancel_one(desk, 1, 2min);
  desk.look({active(1, 3min), active(2, 3min, "etl")}, 3min + 10s);
  const auto decision = desk.decide_at(3min + 10s);
  EXPECT_THAT(pids_of(decision.orders), ElementsAre(2));
  EXPECT_EQ(decision.wake, MonotonicTime(1h + 12min));
  desk.look({active(1, 3min)}, 12min);
  EXPECT_EQ(desk.decide_at(12min).orders.size(), 1U);
}

TEST(RepeatOfARule, WhatWasSparedDoesNotCountAndALadderCountsOnce) {
  Desk desk(
      rule_with("repeat: { times: 2, within: 10min, then: alert }", "[ cancel, terminate: { after: 5s } ]"));
  desk.look({active(1, 0s)}, 10s);
  EXPECT_THAT(kinds_of(desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kMovedOn, 10s)),
              ElementsAre("outcome"));
  cancel_one(desk, 2, 1min);
  desk.look({active(3, 2min, "etl")}, 2min + 10s);
  desk.reply(desk.decide_at(2min + 10s).orders.at(0), ReplyKind::kSignalled, 2min + 10s);
  desk.look({active(3, 2min, "etl")}, 2min + 12s);
  EXPECT_THAT(
      kinds_of(desk.reply(desk.decide_at(2min + 15s).orders.at(0), ReplyKind::kSignalled, 2min + 15s)),
      ElementsAre("outcome"));
}

TEST(RepeatOfARule, RemembersNoMoreThanItMay) {
  Repeats repeats;
  const Repeat repeat{2, 10min, Field::kUser, RepeatAction::kAlert};
  for (std::size_t i = 0; i < Repeats::kMostKeys + 10; ++i) {
    repeats.note({"r", std::to_string(i)}, repeat, MonotonicTime(Duration(static_cast<std::int64_t>(i))));
  }
  EXPECT_EQ(repeats.size(), Repeats::kMostKeys);
}

TEST(XminAge, HoldsBackTransactionsAtLeastSoOldAndIsCheckedAgain) {
  Desk desk(
      "rules: [ { name: r, match: { state: idle in transaction, xmin_age: 50M }, escalate: [ terminate ] } "
      "]");
  auto session = idle_in_transaction(1, 0s);
  session.xmin_age = 49'999'999;
  desk.look({session}, 10s);
  EXPECT_THAT(desk.decide_at(10s).orders, IsEmpty());
  session.xmin_age = 50'000'000;
  desk.look({session}, 11s);
  const auto orders = desk.decide_at(11s).orders;
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].guard.xmin_age, 50'000'000);
  EXPECT_EQ(orders[0].guard.xact_start, Unchanged<ServerTime>(session.xact_start)) << "the anchor";
  session.xmin_age.reset();
  desk.look({session}, 12s);
  EXPECT_THAT(desk.decide_at(12s).orders, IsEmpty()) << "a NULL never matches";
}

TEST(BuiltInProtections, KeepTheirSessionsUntilSwitchedOff) {
  const auto rule = rule_with("description: x");
  auto dump = active(1, 0s);
  dump.application_name = "pg_dump";
  auto index = active(2, 0s);
  index.query = "create unique index concurrently i on t (a)";
  auto sync = active(3, 0s);
  sync.wait_event = "SyncRep";
  const std::vector<Session> sessions{dump, index, sync};
  Desk desk(rule);
  desk.look(sessions, 20s);
  EXPECT_THAT(desk.decide_at(20s).orders, IsEmpty());
  Desk off("unprotect: [ dumps, concurrent-index, sync-rep ]\n" + rule);
  off.look(sessions, 20s);
  const auto orders = off.decide_at(20s).orders;
  EXPECT_THAT(pids_of(orders), ElementsAre(1, 2, 3));
  EXPECT_TRUE(orders.at(0).guard.may_wait_for_sync_rep);
}

TEST(BuiltInProtections, AskForNoMoreTextsThanTheyRead) {
  EXPECT_EQ(plan_looks(policy_of(rule_with("description: x"))).texts, QueryTexts::kActive);
  EXPECT_EQ(plan_looks(policy_of("unprotect: [ concurrent-index ]\n" + rule_with("description: x"))).texts,
            QueryTexts::kNone);
  EXPECT_EQ(
      plan_looks(
          policy_of("rules: [ { name: r, match: { state: idle, state_age: 1h }, escalate: [ terminate ] } ]"))
          .texts,
      QueryTexts::kAll)
      << "whether it listens";
}

TEST(BuiltInProtections, SpareAListenerWhoseStatementHasEndedSinceTheLook) {
  Desk desk("rules: [ { name: r, match: { query_age: 1min }, escalate: [ terminate ] } ]");
  auto session = active(1, 0s);
  session.query = "LISTEN jobs";
  desk.look({session}, 1min);
  EXPECT_THAT(desk.decide_at(1min).orders.at(0).guard.spared_states, ElementsAre(State::kIdle))
      << "idle, it would be a listener of the same query_start";
}

TEST(BuiltInProtections, HoldAgainstARuleThatOutlivesStatements) {
  Desk desk("rules: [ { name: r, match: { session_age: 1min }, escalate: [ terminate ] } ]");
  const auto session = active(1, 0s);
  desk.look({session}, 2min);
  const auto guard = desk.decide_at(2min).orders.at(0).guard;
  EXPECT_EQ(guard.query_start, Unchanged<ServerTime>(session.query_start))
      << "it may have begun to build an index concurrently";
  EXPECT_THAT(guard.spared_states, ElementsAre(State::kIdle)) << "it may be a listener by now";
}

TEST(BuiltInProtections, DoNotSpareABusySessionOfALongTransaction) {
  Desk desk("rules: [ { name: r, match: { transaction_age: 1min }, escalate: [ terminate ] } ]");
  desk.look({active(1, 0s)}, 2min);
  const auto guard = desk.decide_at(2min).orders.at(0).guard;
  EXPECT_FALSE(guard.query_start.has_value()) << "its next query belongs to the same transaction";
  EXPECT_FALSE(guard.states.has_value());
  EXPECT_THAT(guard.spared_states, IsEmpty());
}

TEST(Explain, SaysWhatHoldsARuleBack) {
  const auto policy = policy_of(rule_with("when: { connections_used: 85% }"));
  Look seen;
  seen.taken_at = at(20s);
  seen.connection_slots = 100;
  seen.sessions = {active(1, 0s)};
  const auto finding = explain(policy, seen, 0).rules.at(0);
  EXPECT_EQ(finding.stand, Stand::kWhen);
  EXPECT_EQ(finding.conditions.back().field, "connections_used");
  EXPECT_EQ(finding.conditions.back().actual, "1%");
}

}  // namespace
}  // namespace pgcurfew::testing
