#include "engine/settle.hpp"

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

const char* const kRules =
    "rules: [ { name: r, match: { state: active, query_age: 10s }, "
    "escalate: [ cancel, terminate: { after: 30s } ] } ]";

/// A desk that has just sent a cancel to session 1.
Desk cancelled() {
  Desk desk(kRules);
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  return desk;
}

/// The events of a signal that ended its episode.
std::string effect(const std::vector<Event>& events) {
  const bool is_over =
      events.size() == 2 && events[0].kind == Kind::kVerified && events[1].kind == Kind::kEnded;
  return is_over ? text_field(events[0], "effect") : "?";
}

std::string end_in(const std::vector<Event>& events) {
  return !events.empty() && events.back().kind == Kind::kEnded ? text_field(events.back(), "end") : "?";
}

TEST(Settle, ASessionThatIsGoneHasEnded) {
  EXPECT_EQ(effect(cancelled().look({}, 11s)), "ended");
}

TEST(Settle, AnIdleSessionsQueryHasEnded) {
  auto idle = active(1, 0s);
  idle.state = State::kIdle;
  EXPECT_EQ(effect(cancelled().look({idle}, 11s)), "query_ended");
}

TEST(Settle, ANewQuerysPredecessorHasEnded) {
  EXPECT_EQ(effect(cancelled().look({active(1, 11s)}, 11s)), "query_ended");
}

TEST(Settle, AMissingSessionIsNotCalledEndedWhileSessionsAreHidden) {
  auto desk = cancelled();
  desk.seen.hidden = 3;
  EXPECT_EQ(effect(desk.look({}, 11s)), "unseen");
}

TEST(Settle, ALookThatCouldNotTellWhoWaitsForWhomShowsTheEffectOfOtherRules) {
  auto desk = cancelled();
  desk.seen.waits_failed = true;
  auto idle = active(1, 0s);
  idle.state = State::kIdle;
  EXPECT_EQ(effect(desk.look({idle}, 11s)), "query_ended");
}

TEST(Settle, ASignalThatLiesAheadByAClockThatWasSetBackIsNotUnderWay) {
  Desk desk(
      "rules: [ { name: r, match: { state: idle in transaction, state_age: 10s }, escalate: [ terminate ] } "
      "]");
  desk.look({idle_in_transaction(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  EXPECT_EQ(effect(desk.look({active(1, 2s)}, 3s)), "moved_on");
}

TEST(Settle, ALookThatCouldNotTellWhoWaitsForWhomShowsNoEffectOnABlocker) {
  Desk desk(
      "rules: [ { name: r, match: { blocks: 1, blocks_for: 5s }, "
      "escalate: [ cancel, terminate: { after: 2s } ] } ]");
  const auto blocker = active(1, -1s);
  const std::vector<Session> sessions{blocker, waiting(2, 0s)};
  const std::vector<LockWait> waits{wait_of(sessions[1], {1}, 0s)};
  desk.look(sessions, 0s, waits);
  desk.look(sessions, 5s, waits);
  desk.reply(desk.decide_at(5s).orders.at(0), ReplyKind::kSignalled, 5s);
  desk.seen.waits_failed = true;
  EXPECT_THAT(desk.look(sessions, 5s + 500ms), IsEmpty());
  EXPECT_THAT(desk.decide_at(7s).orders, IsEmpty()) << "nor is it acted upon";
  desk.seen.waits_failed = false;
  desk.look(sessions, 7s, waits);
  const auto orders = desk.decide_at(7s).orders;
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].step, StepKind::kTerminate) << "the ladder goes on where it stood";
  desk.reply(orders[0], ReplyKind::kSignalled, 7s);
  desk.seen.waits_failed = true;
  EXPECT_EQ(effect(desk.look({active(1, 8s), sessions[1]}, 8s)), "moved_on") << "another transaction";
}

TEST(Settle, ASentSignalIsNotAnEffect) {
  auto desk = cancelled();
  EXPECT_THAT(desk.look({active(1, 0s)}, 10s + 500ms), IsEmpty());
  const auto events = desk.look({active(1, 0s)}, 11s);
  ASSERT_THAT(kinds_of(events), ElementsAre("verified"));
  EXPECT_EQ(text_field(events[0], "effect"), "still_there");
  EXPECT_THAT(desk.look({active(1, 0s)}, 12s), IsEmpty()) << "said once";
}

TEST(Settle, WhatALookShowsInTheMidstOfACancelIsNotTakenForMovingOn) {
  const auto rolling_back = [] {
    auto session = active(1, 0s);
    session.application_name = "no longer what the rule is for";
    return session;
  };
  const auto desk_after_cancel = [] {
    Desk desk(
        "rules: [ { name: r, match: { application_name: [app, psql], state: active, query_age: 10s }, "
        "escalate: [ cancel ] } ]");
    auto session = active(1, 0s);
    session.application_name = "app";
    desk.look({session}, 5s);
    desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
    return desk;
  };
  auto desk = desk_after_cancel();
  EXPECT_THAT(desk.look({rolling_back()}, 10s + 10ms), IsEmpty());
  auto idle = rolling_back();
  idle.state = State::kIdle;
  EXPECT_EQ(effect(desk.look({idle}, 10s + 20ms)), "query_ended");
  auto lasting = desk_after_cancel();
  EXPECT_THAT(lasting.look({rolling_back()}, 10s + 10ms), IsEmpty());
  EXPECT_EQ(effect(lasting.look({rolling_back()}, 11s)), "moved_on") << "but not for ever";
}

TEST(Settle, ATransactionThatEndsBeforeItsTerminatedSessionHasNotMovedOn) {
  Desk desk("rules: [ { name: r, match: { transaction_age: 10s }, escalate: [ terminate ] } ]");
  auto session = active(1, 0s);
  session.xact_start = at(0s);
  desk.look({session}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  session.xact_start.reset();
  EXPECT_THAT(desk.look({session}, 10s + 10ms), IsEmpty());
  EXPECT_EQ(effect(desk.look({}, 10s + 20ms)), "ended");
}

TEST(Settle, ASessionThatOutlivesItsLastStepIsReportedOnceWithItsWaitEvent) {
  auto desk = cancelled();
  desk.look({active(1, 0s)}, 11s);
  desk.reply(desk.decide_at(40s).orders.at(0), ReplyKind::kSignalled, 40s);
  auto stuck = active(1, 0s);
  stuck.wait_event_type = "IO";
  stuck.wait_event = "DataFileRead";
  EXPECT_THAT(kinds_of(desk.look({stuck}, 42s)), ElementsAre("verified"));
  const auto events = desk.look({stuck}, 46s);
  ASSERT_THAT(kinds_of(events), ElementsAre("unkillable", "ended"));
  EXPECT_EQ(text_field(events[0], "wait_event"), "DataFileRead");
  EXPECT_EQ(end_in(events), "unkillable");
  EXPECT_THAT(desk.look({stuck}, 60s), IsEmpty());
  EXPECT_TRUE(desk.decide_at(1h).orders.empty()) << "and left alone";
  const auto gone = desk.look({}, 61min);
  ASSERT_THAT(kinds_of(gone), ElementsAre("verified")) << "what became of the signal is still told";
  EXPECT_EQ(text_field(gone[0], "effect"), "ended");
}

TEST(Settle, ASparedSessionIsJudgedAnewByTheNextLook) {
  Desk desk(kRules);
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kMovedOn, 10s);
  EXPECT_TRUE(desk.decide_at(20s).orders.empty()) << "the old look has been refuted";
  EXPECT_EQ(end_in(desk.look({active(1, 10s)}, 20s)), "by_itself");
  EXPECT_EQ(desk.decide_at(20s).orders.size(), 1U);
}

TEST(Settle, EveryBeginningHasOneEndThatSaysHow) {
  auto idle = active(1, 0s);
  idle.state = State::kIdle;
  EXPECT_EQ(end_in(cancelled().look({}, 11s)), "by_us");
  EXPECT_EQ(end_in(cancelled().look({idle}, 11s)), "by_us");

  auto spared = cancelled();
  auto renamed = active(1, 0s);
  renamed.application_name = "pg_dump";
  EXPECT_EQ(end_in(spared.look({renamed}, 12s)), "spared");

  Desk alerted("rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ alert ] } ]");
  alerted.look({active(1, 0s)}, 5s);
  alerted.reply(alerted.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  auto gone = alerted;
  EXPECT_EQ(end_in(gone.look({}, 12s)), "gone");
  EXPECT_THAT(gone.look({}, 13s), IsEmpty()) << "once";
  EXPECT_EQ(end_in(alerted.look({idle}, 12s)), "by_itself");

  Desk denied(kRules);
  denied.look({active(1, 0s)}, 5s);
  EXPECT_EQ(end_in(denied.reply(denied.decide_at(10s).orders.at(0), ReplyKind::kDenied, 10s)), "denied");
  EXPECT_THAT(denied.look({}, 12s), IsEmpty()) << "once";

  auto stopped = cancelled();
  EXPECT_EQ(end_in(end_all(stopped.ledger, End::kStopped, at(12s))), "stopped");
  EXPECT_THAT(end_all(stopped.ledger, End::kStopped, at(12s)), IsEmpty()) << "once";
}

TEST(Settle, WhatAnotherClaimHasEndedIsNotSaidToHaveEndedByItself) {
  Desk desk(
      "rules: [ { name: first, match: { state: active, query_age: 5s }, escalate: [ alert ] },"
      "         { name: r, match: { state: active, query_age: 10s }, escalate: [ cancel ] },"
      "         { name: carried, match: { state: active, query_age: 10s }, escalate: [ cancel ] } ]");
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(5s).orders.at(0), ReplyKind::kSignalled, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  std::map<std::string, std::string> ends;
  for (const auto& event : desk.look({}, 11s)) {
    if (event.kind == Kind::kEnded) ends[text_field(event, "rule")] = text_field(event, "end");
  }
  EXPECT_THAT(ends, ElementsAre(Pair("carried", "by_another_claim"), Pair("first", "by_another_claim"),
                                Pair("r", "by_us")));
}

TEST(Settle, AnAlertThatWasDeniedIsNotRepeatedAtOnce) {
  Desk desk("rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ alert ] } ]");
  desk.look({active(1, 0s)}, 5s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kDenied, 10s);
  EXPECT_TRUE(desk.decide_at(10s).orders.empty());
  EXPECT_TRUE(desk.decide_at(20s).orders.empty()) << "a look comes first";
  desk.look({active(1, 0s)}, 10s + 1ms);
  EXPECT_TRUE(desk.decide_at(11s - 1us).orders.empty()) << "and a pause";
  EXPECT_EQ(desk.decide_at(11s).orders.size(), 1U);
}

TEST(Settle, ARehearsalThatWasEarlyDoesNotHideThatASignalLeft) {
  Desk desk(
      "rules: [ { name: real, match: { state: active, query_age: 10s }, escalate: [ cancel ] },"
      "         { name: dry, mode: dry-run, match: { state: active, query_age: 10s }, escalate: [ cancel ] },"
      "         { name: next, match: { state: active, query_age: 11s }, escalate: [ terminate ] } ]");
  desk.look({active(1, 0s)}, 5s);
  const auto orders = desk.decide_at(10s).orders;
  ASSERT_EQ(orders.size(), 2U);
  desk.reply(orders[0], ReplyKind::kSignalled, 10s);
  desk.reply(orders[1], ReplyKind::kEarly, 10s);
  for (const auto& order : desk.decide_at(12s).orders) {
    EXPECT_FALSE(order.is_signal()) << "no look has shown what became of the cancel";
  }
}

TEST(Settle, TheBooksStayBounded) {
  Desk desk("safety: { signals: 10000 per 1s, share: 100% }\n" + std::string(kRules));
  for (int round = 0; round < 50; ++round) {
    const Duration now = round * 20s;
    std::vector<Session> sessions;
    for (int i = 0; i < 20; ++i) sessions.push_back(active(round * 100 + i, now - 15s));
    desk.look(sessions, now);
    for (const auto& order : desk.decide_at(now).orders) desk.reply(order, ReplyKind::kSignalled, now);
    EXPECT_LE(desk.ledger.episodes.size(), 20U);
    EXPECT_LE(desk.ledger.touched.size(), 20U);
  }
}

TEST(CarryOver, EpisodesOfUnchangedRulesGoOnWhateverTheirNewPlace) {
  auto desk = cancelled();
  const auto after = policy_of(
      "rules: [ { name: new, match: { user: eve, query_age: 1s }, escalate: [ cancel ] },"
      "{ name: r, match: { state: active, query_age: 10s }, escalate: [ cancel, terminate: { after: 30s } ] "
      "} ]");
  desk.ledger = carry_over(desk.ledger, desk.policy, after).ledger;
  desk.policy = after;
  desk.look({active(1, 0s)}, 12s);
  EXPECT_EQ(desk.decide_at(40s).orders.at(0).action, Action::kTerminate);
}

TEST(CarryOver, EpisodesOfChangedRulesBeginAnew) {
  auto desk = cancelled();
  const auto after = policy_of(
      "rules: [ { name: r, match: { state: active, query_age: 11s }, "
      "escalate: [ cancel, terminate: { after: 30s } ] } ]");
  desk.ledger = carry_over(desk.ledger, desk.policy, after).ledger;
  desk.policy = after;
  desk.look({active(1, 0s)}, 12s);
  EXPECT_EQ(desk.decide_at(40s).orders.at(0).action, Action::kCancel);
}

TEST(CarryOver, TheEndOfARuleThatIsGoneIsToldBehindTheOutcomeOfItsOrder) {
  Desk desk(kRules);
  desk.look({active(1, 0s)}, 5s);
  const auto order = desk.decide_at(10s).orders.at(0);
  const auto after = policy_of("rules: [ { name: s, match: { query_age: 11s }, escalate: [ cancel ] } ]");
  const auto carried = carry_over(desk.ledger, desk.policy, after);
  EXPECT_THAT(carried.events, IsEmpty());
  desk.ledger = carried.ledger;
  desk.policy = after;
  const auto events = desk.reply(order, ReplyKind::kSignalled, 10s);
  ASSERT_THAT(kinds_of(events), ElementsAre("outcome", "ended"));
  EXPECT_EQ(end_in(events), "rule_removed");
  EXPECT_THAT(desk.ledger.leaving, IsEmpty());
}

TEST(CarryOver, SaysOfSignalsOfChangedRulesThatNobodyHasSeenTheirEffect) {
  const auto desk = cancelled();
  const auto after = policy_of("rules: [ { name: s, match: { query_age: 11s }, escalate: [ cancel ] } ]");
  const auto carried = carry_over(desk.ledger, desk.policy, after);
  EXPECT_EQ(effect(carried.events), "unseen");
  EXPECT_EQ(end_in(carried.events), "rule_removed");
  EXPECT_THAT(carried.ledger.episodes, IsEmpty());
  EXPECT_THAT(carry_over(desk.ledger, desk.policy, desk.policy).events, IsEmpty()) << "it will be seen";
}

}  // namespace
}  // namespace pgcurfew::testing
