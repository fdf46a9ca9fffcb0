#include "engine/decide.hpp"

#include <gmock/gmock.h>

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Ne;
using ::testing::SizeIs;

const char* const kCancelThenTerminate =
    "rules: [ { name: r, match: { state: active, query_age: 10s }, "
    "escalate: [ cancel, terminate: { after: 30s } ] } ]";

TEST(Decide, OrdersNothingBeforeTheLimitAndSaysWhenToAskAgain) {
  Desk desk(kCancelThenTerminate);
  desk.look({active(1, 0s)}, 5s);
  const auto decision = desk.decide_at(10s - 1us);
  EXPECT_TRUE(decision.orders.empty());
  EXPECT_EQ(decision.next_due, at(10s));
  EXPECT_EQ(desk.decide_at(10s).orders.size(), 1U);
}

TEST(Decide, OrdersNothingTwice) {
  Desk desk(kCancelThenTerminate);
  desk.look({active(1, 0s)}, 5s);
  EXPECT_EQ(desk.decide_at(10s).orders.size(), 1U);
  EXPECT_TRUE(desk.decide_at(10s).orders.empty());
  EXPECT_TRUE(desk.decide_at(20s).orders.empty()) << "nor while the reply is out";
}

TEST(Decide, TheGuardCarriesWhatTheDecisionRestedOn) {
  Desk desk(
      "protect: [ { application_name: pg_dump } ]\n"
      "rules: [ { name: r, match: { state: active, query_age: 10s }, except: [ { wait_event: PgSleep } ], "
      "escalate: [ cancel ] } ]");
  const auto session = active(7, 0s);
  desk.look({session}, 5s);
  const auto order = desk.decide_at(10s).orders.at(0);
  EXPECT_EQ(order.action, Action::kCancel);
  EXPECT_EQ(order.guard.session, session.key);
  EXPECT_EQ(order.guard.backend_type, "client backend");
  EXPECT_EQ(order.guard.not_before, at(10s));
  EXPECT_EQ(order.guard.query_start, Unchanged<ServerTime>(session.query_start));
  EXPECT_TRUE(holds_state(order.guard, State::kActive));
  EXPECT_FALSE(holds_state(order.guard, State::kIdle));
  EXPECT_TRUE(holds(order.guard, Field::kWaitEvent, std::optional<std::string>()));
  EXPECT_FALSE(holds(order.guard, Field::kWaitEvent, std::string("PgSleep")))
      << "it would be excepted by now";
  EXPECT_TRUE(holds(order.guard, Field::kApplicationName, std::string("another")))
      << "what it is called is its own business";
  EXPECT_FALSE(holds(order.guard, Field::kApplicationName, std::string("pg_dump")))
      << "it would be protected by now";
  EXPECT_FALSE(order.guard.xact_start.has_value()) << "nothing reads it";
}

TEST(Decide, TerminatesOnlyAfterTheFullGraceAndTheSameEpisode) {
  Desk desk(kCancelThenTerminate);
  desk.look({active(1, 0s)}, 5s);
  const auto cancel = desk.decide_at(10s).orders.at(0);
  desk.reply(cancel, ReplyKind::kSignalled, 10s + 2ms);
  desk.look({active(1, 0s)}, 12s);
  const auto before = desk.decide_at(40s + 2ms - 1us);
  EXPECT_TRUE(before.orders.empty());
  EXPECT_EQ(before.next_due, at(40s + 2ms));
  const auto after = desk.decide_at(40s + 2ms);
  ASSERT_EQ(after.orders.size(), 1U);
  EXPECT_EQ(after.orders[0].action, Action::kTerminate);
  EXPECT_NE(after.orders[0].decision, cancel.decision);
}

TEST(Decide, TheGuardHoldsNoSoonerThanTheGraceIsOver) {
  Desk desk(kCancelThenTerminate);
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s + 2ms);
  desk.look({active(1, 0s)}, 12s);
  EXPECT_EQ(desk.decide_at(41s).orders.at(0).guard.not_before, at(40s + 2ms));
}

TEST(Decide, DoesNotEscalateBeforeALimitThatHasMovedAway) {
  Desk desk(
      "rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ cancel, terminate ], "
      "except: [ { application_name: batch, query_age: 2h } ] } ]");
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  auto renamed = active(1, 0s);
  renamed.application_name = "batch";
  desk.look({renamed}, 12s);
  const auto decision = desk.decide_at(1h);
  EXPECT_TRUE(decision.orders.empty());
  EXPECT_EQ(decision.next_due, at(2h));
  EXPECT_EQ(desk.decide_at(2h).orders.at(0).step, StepKind::kTerminate);
}

TEST(Decide, DoesNotEscalateWhenQueryStartChanged) {
  Desk desk(kCancelThenTerminate);
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  desk.look({active(1, 11s)}, 12s);  // the next query of the same session
  EXPECT_TRUE(desk.ledger.episodes.empty());
  EXPECT_TRUE(desk.decide_at(20s).orders.empty());
  const auto fresh = desk.decide_at(21s);
  ASSERT_EQ(fresh.orders.size(), 1U);
  EXPECT_EQ(fresh.orders[0].action, Action::kCancel) << "a new episode starts at the foot of the ladder";
}

TEST(Decide, DoesNotEscalateWhenTheLookThatShowsTheNextEpisodeOvertookTheReply) {
  Desk desk(
      "rules: [ { name: r, match: { state: idle in transaction, state_age: 5min }, "
      "escalate: [ alert, terminate: { after: 1min } ] } ]");
  desk.look({idle_in_transaction(1, 0s)}, 1min);
  const auto alert = desk.decide_at(5min).orders.at(0);
  desk.look({idle_in_transaction(1, 301s)}, 302s);
  desk.reply(alert, ReplyKind::kSignalled, 5min);
  EXPECT_EQ(desk.decide_at(303s).next_due, at(601s));
  EXPECT_TRUE(desk.decide_at(601s - 1us).orders.empty());
  const auto second = desk.decide_at(601s).orders.at(0);
  EXPECT_EQ(second.step, StepKind::kAlert) << "a new episode, a new ladder";
  desk.reply(second, ReplyKind::kUnknown, 601s);
  desk.look({idle_in_transaction(1, 301s)}, 700s);
  EXPECT_EQ(desk.decide_at(700s).orders.at(0).step, StepKind::kAlert) << "nothing is left of the old one";
}

TEST(Decide, DoesNotActOnAnotherSessionUnderTheSamePid) {
  Desk desk(kCancelThenTerminate);
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  auto successor = active(1, 0s);
  successor.key.backend_start = at(-1ms);
  desk.look({successor}, 12s);
  const auto order = desk.decide_at(60s).orders.at(0);
  EXPECT_EQ(order.action, Action::kCancel);
  EXPECT_EQ(order.guard.session, successor.key);
}

TEST(Decide, NoSecondSignalWithoutAFreshLook) {
  Desk desk(
      "rules: [ { name: a, match: { state: active, query_age: 10s }, escalate: [ cancel ] },"
      "         { name: b, match: { state: active, transaction_age: 11s }, escalate: [ terminate ] } ]");
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  EXPECT_TRUE(desk.decide_at(11s).orders.empty()) << "the look is older than the signal";
  desk.look({active(1, 0s)}, 12s);
  EXPECT_EQ(desk.decide_at(12s).orders.size(), 1U);
}

TEST(Decide, ALookThatWasAskedForBeforeTheSignalIsNotFresh) {
  Desk desk(kCancelThenTerminate);
  desk.look({active(1, 0s)}, 5s);
  const auto look_on_its_way = ++desk.ledger.looks_sent;
  const auto order = desk.decide_at(10s).orders.at(0);
  desk.reply(order, ReplyKind::kUnknown, 10s);
  desk.seen.number = look_on_its_way;
  desk.docket = make_docket(desk.policy, desk.seen);
  settle_look(desk.policy, desk.seen, desk.docket, {}, desk.ledger);
  EXPECT_TRUE(desk.decide_at(60s).orders.empty());
}

TEST(Decide, AnUnknownOutcomeIsNotTakenAsSuccess) {
  Desk desk(kCancelThenTerminate);
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kUnknown, 10s);
  EXPECT_TRUE(desk.decide_at(60s).orders.empty());
  desk.look({active(1, 0s)}, 61s);
  const auto again = desk.decide_at(61s).orders;
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].action, Action::kCancel) << "the same step again, not the next";
}

TEST(Decide, CancelIsNeverSentWhereItHasNoEffect) {
  Desk desk(
      "rules: [ { name: r, match: { session_age: 1h }, escalate: [ cancel, terminate: { after: 30s } ] } ]");
  auto idle = active(1, -5min);
  idle.state = State::kIdle;
  desk.look({idle}, 1s);
  EXPECT_TRUE(desk.decide_at(29s).orders.empty());
  const auto orders = desk.decide_at(30s).orders;
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].action, Action::kTerminate) << "after the grace that the cancel would have had";
  EXPECT_TRUE(holds_state(orders[0].guard, State::kIdleInTransaction));
  EXPECT_FALSE(holds_state(orders[0].guard, State::kActive)) << "the choice rested on it";
}

TEST(Decide, ASkippedCancelIsMadeUpForIfTheSessionBecomesActive) {
  Desk desk(
      "rules: [ { name: r, match: { session_age: 1h }, escalate: [ cancel, terminate: { after: 30s } ] } ]");
  auto idle = active(1, -5min);
  idle.state = State::kIdle;
  desk.look({idle}, 1s);
  EXPECT_TRUE(desk.decide_at(1s).orders.empty());
  desk.look({active(1, 20s)}, 40s);
  EXPECT_EQ(desk.decide_at(40s).orders.at(0).action, Action::kCancel);
}

TEST(Decide, TheStrongestDueStepIsTakenAndTheOthersAreSuperseded) {
  Desk desk(
      "rules: [ { name: mild, match: { state: active, query_age: 5s }, escalate: [ cancel, terminate: { "
      "after: 1h } ] },"
      "         { name: hard, match: { state: active, query_age: 10s }, escalate: [ terminate ] } ]");
  desk.look({active(1, 0s)}, 12s);
  const auto decision = desk.decide_at(12s);
  ASSERT_EQ(decision.orders.size(), 1U);
  EXPECT_EQ(decision.orders[0].rule, "hard");
  EXPECT_THAT(kinds_of(decision.events), ElementsAre("intent", "superseded"));
  EXPECT_EQ(text_field(decision.events[1], "rule"), "mild");
  EXPECT_EQ(text_field(decision.events[1], "decision"), decision.orders[0].decision);
}

TEST(Decide, TiesGoToTheRuleThatStandsFirst) {
  Desk desk(
      "rules: [ { name: first, match: { state: active, query_age: 10s }, escalate: [ cancel ] },"
      "         { name: second, match: { state: active, query_age: 5s }, escalate: [ cancel ] } ]");
  desk.look({active(1, 0s)}, 12s);
  EXPECT_EQ(desk.decide_at(12s).orders.at(0).rule, "first");
}

TEST(Decide, ADryRuleDoesNotStandInTheWayOfAnEnforcedOne) {
  Desk desk(
      "rules: [ { name: dry, mode: dry-run, match: { state: active, query_age: 5s }, escalate: [ terminate ] "
      "},"
      "         { name: real, match: { state: active, query_age: 5s }, escalate: [ cancel ] } ]");
  desk.look({active(1, 0s)}, 12s);
  const auto orders = desk.decide_at(12s).orders;
  ASSERT_EQ(orders.size(), 2U);
  EXPECT_EQ(orders[0].rule, "real");
  EXPECT_EQ(orders[0].action, Action::kCancel);
  EXPECT_EQ(orders[1].rule, "dry");
  EXPECT_EQ(orders[1].action, Action::kNothing);
}

TEST(Decide, ADryRunOrdersTheSameFirstStepAndNoSignal) {
  Desk desk(kCancelThenTerminate);
  Desk dry(kCancelThenTerminate);
  dry.policy.rules[0].mode = Mode::kDryRun;
  desk.look({active(1, 0s), active(2, 1s)}, 5s);
  dry.look({active(1, 0s), active(2, 1s)}, 5s);
  const auto real = desk.decide_at(11s).orders;
  const auto rehearsed = dry.decide_at(11s).orders;
  ASSERT_EQ(real.size(), 2U);
  ASSERT_EQ(rehearsed.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(rehearsed[i].action, Action::kNothing);
    EXPECT_EQ(rehearsed[i].step, real[i].step);
    EXPECT_EQ(rehearsed[i].guard.session, real[i].guard.session);
    dry.reply(rehearsed[i], ReplyKind::kSignalled, 11s);
  }
}

TEST(Decide, ADryRunGoesOnAsIfNothingHadHadAnEffectAndCountsItNowhere) {
  Desk dry(kCancelThenTerminate);
  dry.policy.rules[0].mode = Mode::kDryRun;
  dry.policy.safety.signals = 1;
  dry.look({active(1, 0s)}, 5s);
  const auto first = dry.decide_at(11s);
  ASSERT_THAT(first.orders, SizeIs(1));
  EXPECT_FALSE(first.orders[0].if_still);
  dry.reply(first.orders[0], ReplyKind::kSignalled, 11s);
  EXPECT_THAT(dry.look({active(1, 0s)}, 12s), IsEmpty()) << "no signal has left, so there is none to verify";
  EXPECT_THAT(dry.decide_at(40s).orders, IsEmpty()) << "not before its grace";
  const auto second = dry.decide_at(41s);
  ASSERT_THAT(second.orders, SizeIs(1)) << "the bound of one signal a minute does not count it";
  EXPECT_EQ(second.orders[0].step, StepKind::kTerminate);
  EXPECT_EQ(second.orders[0].action, Action::kNothing);
  EXPECT_TRUE(second.orders[0].if_still);
  EXPECT_EQ(second.orders[0].episode, first.orders[0].decision);
  EXPECT_THAT(second.orders[0].decision, Ne(first.orders[0].decision));
  dry.reply(second.orders[0], ReplyKind::kSignalled, 41s);
  const auto over = dry.look({}, 50s);
  ASSERT_THAT(over, SizeIs(1));
  EXPECT_EQ(over[0].kind, Kind::kEnded);
  EXPECT_EQ(over[0].message,
            "pid 1 app@app (rule r) is gone, and no signal of ours ended it, 39.0s after it would have been "
            "sent cancel");
}

TEST(Decide, AnAlertIsNoSignalAndTheLadderGoesOn) {
  Desk desk(
      "rules: [ { name: r, match: { state: idle in transaction, state_age: 5min }, "
      "escalate: [ alert, terminate: { after: 1min } ] } ]");
  desk.look({idle_in_transaction(1, 0s)}, 1min);
  const auto alert = desk.decide_at(5min).orders.at(0);
  EXPECT_EQ(alert.step, StepKind::kAlert);
  EXPECT_FALSE(alert.is_signal());
  desk.reply(alert, ReplyKind::kSignalled, 5min);
  EXPECT_TRUE(desk.decide_at(6min - 1us).orders.empty());
  EXPECT_EQ(desk.decide_at(6min).orders.at(0).action, Action::kTerminate) << "no look is needed in between";
}

TEST(Decide, EveryIntentNamesRuleSessionClockAgeLimitStepAndDecision) {
  Desk desk(kCancelThenTerminate);
  desk.look({active(4711, 0s)}, 5s);
  const auto decision = desk.decide_at(11s);
  const auto& intent = decision.events.at(0);
  EXPECT_EQ(intent.kind, Kind::kIntent);
  std::vector<std::string> names;
  for (const auto& field : intent.fields) names.emplace_back(field.first);
  EXPECT_THAT(names, ::testing::IsSupersetOf({"decision", "rule", "pid", "session_id", "backend_start",
                                              "mode", "step", "clock", "age_s", "limit_s"}));
  const auto outcome = desk.reply(decision.orders.at(0), ReplyKind::kSignalled, 11s).at(0);
  EXPECT_EQ(outcome.kind, Kind::kOutcome);
  EXPECT_EQ(text_field(outcome, "decision"), text_field(intent, "decision"));
  EXPECT_EQ(text_field(outcome, "outcome"), "signalled");
}

TEST(Decide, AboveTheShareNothingIsSignalledAndTheBreakerOpens) {
  Desk desk("safety: { share: 25%, quiet: 1min }\n" + std::string(kCancelThenTerminate));
  std::vector<Session> sessions;
  for (int pid = 1; pid <= 10; ++pid) sessions.push_back(active(pid, 0s));
  desk.look(sessions, 10s);
  const auto decision = desk.decide_at(10s);
  EXPECT_TRUE(decision.orders.empty());
  EXPECT_THAT(kinds_of(decision.events), ElementsAre("breaker_open"));
  EXPECT_EQ(decision.wake, MonotonicTime(1h + 10s + 1min));
  EXPECT_TRUE(desk.decide_at(30s).orders.empty());
  EXPECT_TRUE(desk.decide_at(30s).events.empty()) << "said once";
}

TEST(Decide, AfterTheQuietTimeTheOldestGoUpToTheShareSoThatItEnds) {
  Desk desk("safety: { share: 25%, signals: 100 per 1min, quiet: 1min }\n" +
            std::string(kCancelThenTerminate));
  std::vector<Session> sessions;
  for (int pid = 1; pid <= 12; ++pid) sessions.push_back(active(pid, std::chrono::milliseconds(20 - pid)));
  desk.look(sessions, 11s);
  EXPECT_TRUE(desk.decide_at(11s).orders.empty()) << "first an alert and a quiet time";
  const auto signal_all_of = [&](Duration now) {
    const auto decision = desk.decide_at(now);
    for (const auto& order : decision.orders) desk.reply(order, ReplyKind::kSignalled, now);
    return decision;
  };
  const auto second = signal_all_of(71s);
  EXPECT_THAT(kinds_of(second.events).front(), "breaker_closed");
  ASSERT_EQ(second.orders.size(), Breaker::kAlwaysPass);
  EXPECT_EQ(second.orders[0].guard.session.pid, 12) << "the oldest first";
  EXPECT_THAT(kinds_of(signal_all_of(71s).events), ElementsAre("breaker_open"));
  EXPECT_TRUE(signal_all_of(100s).orders.empty());
  EXPECT_EQ(signal_all_of(131s).orders.size(), Breaker::kAlwaysPass);
  EXPECT_TRUE(signal_all_of(131s).orders.empty());
  EXPECT_EQ(signal_all_of(191s).orders.size(), 2U);
}

TEST(Decide, AboveTheRateTheOldestGoFirstAndTheRestIsHeld) {
  // one of the three is kept for others
  Desk desk("safety: { signals: 3 per 1min, share: 100%, quiet: 1min }\n" +
            std::string(kCancelThenTerminate));
  desk.look({active(1, 3s), active(2, 1s), active(3, 2s)}, 5s);
  const auto decision = desk.decide_at(20s);
  ASSERT_EQ(decision.orders.size(), 2U);
  EXPECT_EQ(decision.orders[0].guard.session.pid, 2);
  EXPECT_EQ(decision.orders[1].guard.session.pid, 3);
  for (const auto& order : decision.orders) desk.reply(order, ReplyKind::kSignalled, 20s);
  EXPECT_THAT(kinds_of(desk.decide_at(20s).events), ElementsAre("breaker_open"));
  EXPECT_EQ(desk.decide_at(79s).orders.size(), 0U);
  const auto later = desk.decide_at(80s);
  EXPECT_THAT(kinds_of(later.events), ElementsAre("breaker_closed", "intent"));
  ASSERT_EQ(later.orders.size(), 1U);
  EXPECT_EQ(later.orders[0].guard.session.pid, 1);
}

TEST(Decide, WhomABoundLetsPassDoesNotRestOnTheOrderOfTheRows) {
  Desk desk("safety: { signals: 3 per 1min, share: 100% }\n" + std::string(kCancelThenTerminate));
  desk.look({active(3, 0s), active(1, 0s), active(2, 0s)}, 5s);
  const auto orders = desk.decide_at(10s).orders;
  ASSERT_EQ(orders.size(), 2U);
  EXPECT_EQ(orders[0].guard.session.pid, 1);
  EXPECT_EQ(orders[1].guard.session.pid, 2);
}

TEST(Decide, ADeniedSessionIsAskedOnce) {
  Desk desk(
      "rules: [ { name: a, match: { state: active, query_age: 10s }, escalate: [ cancel ] },"
      "         { name: b, match: { state: active, query_age: 20s }, escalate: [ terminate ] } ]");
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kDenied, 10s);
  desk.look({active(1, 0s)}, 30s);
  EXPECT_TRUE(desk.decide_at(1h).orders.empty());
}

TEST(Decide, AnEarlyReplyIsTriedAgainWithoutALook) {
  Desk desk(kCancelThenTerminate);
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kEarly, 10s - 1us);
  EXPECT_TRUE(desk.decide_at(10s).orders.empty());
  EXPECT_EQ(desk.decide_at(10s + 10ms).orders.size(), 1U);
}

TEST(Decide, AGuardThatFoundTheBackendsShiftedIsTriedAgainWithoutALook) {
  Desk desk(kCancelThenTerminate);
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kShifted, 10s);
  EXPECT_EQ(desk.decide_at(10s + 10ms).orders.size(), 1U);
}

TEST(NeededLooks, ComeNoMoreOftenThanTheSmallestLimitDemands) {
  EXPECT_EQ(plan_looks(policy_of(kCancelThenTerminate)).interval, Duration(9s));
  EXPECT_EQ(plan_looks(policy_of("rules: [ { name: r, match: { query_age: 10min }, escalate: [cancel] } ]"))
                .interval,
            Duration(9min));
  EXPECT_EQ(
      plan_looks(policy_of("rules: [ { name: r, match: { query_age: 2s }, escalate: [cancel] } ]")).interval,
      Duration(1750ms));
  EXPECT_EQ(
      plan_looks(policy_of("rules: [ { name: r, match: { user: eve }, escalate: [terminate] } ]")).interval,
      Duration(1s));
}

TEST(NeededLooks, ShowOfABlockerWithinATenthOfTheLimitWhetherItWaitsItself) {
  const auto interval = [](const std::string& limit) {
    return plan_looks(
               policy_of("rules: [ { name: r, match: { blocks_for: " + limit + " }, escalate: [cancel] } ]"))
        .interval;
  };
  EXPECT_EQ(interval("10min"), Duration(1min));
  EXPECT_EQ(interval("10s"), Duration(1s));
  EXPECT_EQ(interval("1s"), Duration(250ms));
  EXPECT_EQ(interval("200ms"), Duration(100ms));
  EXPECT_EQ(plan_looks(policy_of("rules: [ { name: r, match: { blocks: { blocked_for: 10s } }, "
                                 "escalate: [cancel] } ]"))
                .interval,
            Duration(9s))
      << "the waits of others are all that it is about";
}

}  // namespace
}  // namespace pgcurfew::testing
