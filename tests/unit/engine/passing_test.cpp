// Obstacles that last for a moment only: conditions, exceptions and protections that rely on a wait event.
#include <gmock/gmock.h>

#include "engine/engine_fixture.hpp"
#include "engine/explain.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Session waiting(std::int32_t pid, Duration since, const char* event) {
  auto session = active(pid, since);
  session.wait_event_type = "Timeout";
  session.wait_event = event;
  return session;
}

TEST(Passing, AnEpisodeWaitsWhileItsConditionBlinks) {
  Desk desk(
      "rules: [ { name: r, match: { state: active, wait_event: PgSleep, query_age: 1s }, "
      "escalate: [ alert, cancel: { after: 1s }, terminate: { after: 3s } ] } ]");
  desk.look({waiting(1, 0s, "PgSleep")}, 1s);
  desk.reply(desk.decide_at(1s).orders.at(0), ReplyKind::kSignalled, 1s);
  desk.look({active(1, 0s)}, 1500ms);  // computing for a moment
  desk.look({waiting(1, 0s, "PgSleep")}, 2s);
  const auto orders = desk.decide_at(2s).orders;
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].step, StepKind::kCancel) << "not the alert once more";
}

TEST(Passing, AnExceptionOnAWaitEventIsLookedAtAgainWhenTheRuleWouldBeDue) {
  Desk desk(
      "rules: [ { name: r, match: { state: active, query_age: 10s }, except: [ { wait_event: PgSleep } ], "
      "escalate: [ cancel ] } ]");
  desk.look({waiting(1, 0s, "PgSleep")}, 5s);
  EXPECT_EQ(desk.docket.pending_from, at(10s));
  desk.look({active(1, 0s)}, 11s);
  EXPECT_EQ(desk.decide_at(11s).orders.size(), 1U);
}

TEST(Passing, ALaterLimitOnAWaitEventIsNoPromiseEither) {
  Desk desk(
      "rules: [ { name: r, match: { state: active, query_age: 10s }, "
      "except: [ { wait_event: PgSleep, query_age: 1h } ], escalate: [ cancel ] } ]");
  desk.look({waiting(1, 0s, "PgSleep")}, 5s);
  EXPECT_EQ(desk.docket.pending_from, at(10s));
  EXPECT_EQ(desk.decide_at(10s).next_due, at(1h));
}

TEST(Passing, SyncRepEndsAndIsLookedAtAgain) {
  Desk desk("rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ cancel ] } ]");
  desk.look({waiting(1, 0s, "SyncRep")}, 5s);
  EXPECT_EQ(desk.docket.pending_from, at(10s));
  EXPECT_THAT(desk.decide_at(1h).orders, IsEmpty());
}

TEST(Passing, AProtectionThatStaysCostsNoLooks) {
  Desk desk(
      "protect: [ { user: app } ]\n"
      "rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ cancel ] } ]");
  desk.look({active(1, 0s)}, 5s);
  EXPECT_EQ(desk.docket.pending_from, std::nullopt);
}

TEST(Doubt, ProtectsWhoseNameCannotBeResolved) {
  const std::string rule =
      "rules: [ { name: r, match: { state: active, query_age: 10s }, "
      "except: [ { database: sacred } ], escalate: [ cancel ] } ]";
  auto nameless = active(1, 0s);
  nameless.user.reset();
  nameless.has_nameless_user = true;
  Desk open(rule);
  open.look({nameless}, 5s);
  EXPECT_EQ(open.decide_at(10s).orders.size(), 1U) << "nothing speaks of users";
  Desk protective("protect: [ { user: backup } ]\n" + rule);
  protective.look({nameless}, 5s);
  EXPECT_THAT(protective.decide_at(10s).orders, IsEmpty());
  auto homeless = active(1, 0s);
  homeless.database.reset();
  homeless.has_nameless_database = true;
  Desk exempting(rule);
  exempting.look({homeless}, 5s);
  EXPECT_THAT(exempting.decide_at(10s).orders, IsEmpty());
}

TEST(Doubt, TheGuardCarriesTheNamesThatTheDecisionRestedOn) {
  Desk desk(
      "protect: [ { user: backup } ]\n"
      "rules: [ { name: r, match: { database: app, state: active, query_age: 10s }, escalate: [ cancel ] } "
      "]");
  desk.look({active(1, 0s)}, 5s);
  const auto guard = desk.decide_at(10s).orders.at(0).guard;
  EXPECT_EQ(guard.database, "app");
  EXPECT_EQ(guard.user, "app");
}

TEST(Settle, UnkillableIsToldOnceHoweverManyRulesWait) {
  Desk desk(
      "rules: [ { name: a, match: { state: active, query_age: 10s }, escalate: [ terminate ] },"
      "         { name: b, match: { state: active, query_age: 10s }, escalate: [ terminate ] } ]");
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  EXPECT_THAT(kinds_of(desk.look({active(1, 0s)}, 20s)),
              ElementsAre("verified", "unkillable", "ended", "ended"));
  EXPECT_THAT(desk.look({active(1, 0s)}, 30s), IsEmpty());
}

TEST(Settle, EveryEventOfADecisionNamesThePolicyAndTheMode) {
  Desk desk("rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ cancel ] } ]");
  desk.look({active(1, 0s)}, 5s);
  auto decision = desk.decide_at(10s);
  auto events = decision.events;
  for (auto& event : desk.reply(decision.orders.at(0), ReplyKind::kSignalled, 10s)) events.push_back(event);
  for (auto& event : desk.look({}, 11s)) events.push_back(event);
  ASSERT_THAT(kinds_of(events), ElementsAre("intent", "outcome", "verified", "ended"));
  for (const auto& event : events) {
    EXPECT_EQ(text_field(event, "policy"), desk.policy.version);
    EXPECT_EQ(text_field(event, "mode"), "enforce");
  }
}

TEST(Explain, SaysWhatDecideWouldDo) {
  Desk desk(
      "rules: [ { name: r, match: { user: app, state: active, query_age: 10s }, escalate: [ cancel ] } ]");
  desk.look({active(1, 0s), idle_in_transaction(2, 0s)}, 4s);
  const auto due = explain(desk.policy, desk.seen, 0);
  ASSERT_TRUE(due.nearest.has_value());
  EXPECT_EQ(due.rules[0].next->due, at(10s));
  EXPECT_EQ(due.rules[0].conditions.back().margin, Duration(-6s));
  const auto other = explain(desk.policy, desk.seen, 1);
  EXPECT_FALSE(other.nearest.has_value());
}

}  // namespace
}  // namespace pgcurfew::testing
