#include "engine/selection.hpp"

#include <gmock/gmock.h>

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Rules for idle sessions of more than a minute, with more keys.
std::string rule_with(const std::string& keys) {
  return "safety: { share: 100%, signals: 1000 per 1s }\n"
         "rules: [ { name: r, match: { state: idle, state_age: 60s }, " +
         keys + ", escalate: [ terminate ] } ]";
}

Session idle(std::int32_t pid, Duration since, const std::string& user = "app") {
  auto session = active(pid, since, user);
  session.state = State::kIdle;
  session.xact_start.reset();
  return session;
}

TEST(Selection, LeavesAsManyAloneAsTheRuleSaysAndTakesTheOldest) {
  Desk desk(rule_with("keep: 2"));
  desk.look({idle(1, 3s), idle(2, 1s), idle(3, 2s), idle(4, 0s)}, 70s);
  EXPECT_THAT(pids_of(desk.decide_at(70s).orders), ElementsAre(4, 2)) << "the longest due first";
}

TEST(Selection, TakesTheNewestIfAsked) {
  Desk desk(rule_with("keep: 2, victims: newest"));
  desk.look({idle(1, 3s), idle(2, 1s), idle(3, 2s), idle(4, 0s)}, 70s);
  EXPECT_THAT(pids_of(desk.decide_at(70s).orders), ElementsAre(3, 1));
}

TEST(Selection, TakesTheWholeGroupIfAskedOnceItIsTooLarge) {
  Desk desk(rule_with("keep: 2, victims: all"));
  desk.look({idle(1, 0s), idle(2, 1s)}, 70s);
  EXPECT_THAT(desk.decide_at(70s).orders, IsEmpty());
  desk.look({idle(1, 0s), idle(2, 1s), idle(3, 2s)}, 71s);
  EXPECT_THAT(pids_of(desk.decide_at(71s).orders), ElementsAre(1, 2, 3));
}

TEST(Selection, CountsEachGroupApart) {
  Desk desk(rule_with("per: [ user, application_name ], keep: 1"));
  auto other = idle(3, 2s);
  other.application_name = "other";
  desk.look({idle(1, 0s), idle(2, 1s), other, idle(4, 3s, "etl"), idle(5, 4s, "etl")}, 70s);
  EXPECT_THAT(pids_of(desk.decide_at(70s).orders), ElementsAre(1, 4));
}

TEST(Selection, WhoLeavesItsGroupBeforeTheSignalIsSpared) {
  Desk desk(rule_with("per: application_name, keep: 1"));
  desk.look({idle(1, 0s), idle(2, 1s)}, 70s);
  EXPECT_EQ(desk.decide_at(70s).orders.at(0).guard.texts.at(Field::kApplicationName).unchanged,
            std::optional<std::string>("psql"));
  desk = Desk(rule_with("keep: 1"));
  desk.look({idle(1, 0s), idle(2, 1s)}, 70s);
  EXPECT_EQ(desk.decide_at(70s).orders.at(0).guard.user, std::nullopt);
}

TEST(Selection, CountsOnlyThoseThatAreDue) {
  Desk desk(rule_with("keep: 2"));
  desk.look({idle(1, 0s), idle(2, 1s), idle(3, 20s)}, 70s);
  const auto decision = desk.decide_at(70s);
  EXPECT_THAT(decision.orders, IsEmpty());
  EXPECT_EQ(decision.next_due, at(80s)) << "asked again when the third falls due";
  const auto stale = desk.decide_at(80s);
  EXPECT_THAT(stale.orders, IsEmpty());
  EXPECT_TRUE(stale.look_now) << "some of them may be gone since";
  desk.look({idle(1, 0s), idle(2, 1s), idle(3, 20s)}, 80s);
  EXPECT_THAT(pids_of(desk.decide_at(80s).orders), ElementsAre(1));
}

TEST(Selection, GoesForTheSameOnesWhileTheirLaddersAreUnderWay) {
  Desk desk(
      "rules: [ { name: r, match: { state: active, query_age: 60s }, keep: 1, "
      "escalate: [ cancel, terminate: { after: 10s } ] } ]");
  const std::vector<Session> sessions{active(1, 0s), active(2, 1s)};
  desk.look(sessions, 70s);
  desk.reply(desk.decide_at(70s).orders.at(0), ReplyKind::kSignalled, 70s);
  desk.look(sessions, 71s);
  EXPECT_THAT(desk.decide_at(71s).orders, IsEmpty()) << "and not for the other in the meantime";
  desk.look(sessions, 80s);
  EXPECT_THAT(pids_of(desk.decide_at(80s).orders), ElementsAre(1));
}

TEST(Selection, WhomItMayNotSignalItPassesOverButCounts) {
  Desk desk(rule_with("keep: 1"));
  const std::vector<Session> sessions{idle(1, 0s), idle(2, 1s), idle(3, 2s)};
  desk.look(sessions, 70s);
  const auto first = desk.decide_at(70s);
  ASSERT_THAT(pids_of(first.orders), ElementsAre(1, 2));
  desk.reply(first.orders[0], ReplyKind::kDenied, 70s);
  desk.reply(first.orders[1], ReplyKind::kSignalled, 70s);
  desk.look({idle(1, 0s), idle(3, 2s)}, 71s);
  EXPECT_THAT(pids_of(desk.decide_at(71s).orders), ElementsAre(3));
}

TEST(Selection, AtMostSoManyFromOneLook) {
  Desk desk(rule_with("at_most: 1"));
  const std::vector<Session> sessions{idle(1, 1s), idle(2, 0s)};
  desk.look(sessions, 70s);
  const auto decision = desk.decide_at(70s);
  EXPECT_THAT(pids_of(decision.orders), ElementsAre(2));
  EXPECT_TRUE(decision.look_again);
  desk.reply(decision.orders[0], ReplyKind::kSignalled, 70s);
  EXPECT_THAT(desk.decide_at(75s).orders, IsEmpty());
  desk.look({idle(1, 1s)}, 76s);
  EXPECT_THAT(pids_of(desk.decide_at(76s).orders), ElementsAre(1));
}

TEST(Selection, WhatCameToNothingIsNoActionOfAtMost) {
  Desk desk(rule_with("at_most: 1"));
  desk.look({idle(1, 1s), idle(2, 0s)}, 70s);
  desk.reply(desk.decide_at(70s).orders[0], ReplyKind::kGone, 70s);
  EXPECT_THAT(pids_of(desk.decide_at(70s).orders), ElementsAre(1));
}

TEST(Selection, WhatCameToNothingOfOneLookMakesNoRoomInTheNext) {
  Desk desk(rule_with("at_most: 1"));
  desk.look({idle(1, 1s), idle(2, 0s), idle(3, 2s)}, 70s);
  const auto first = desk.decide_at(70s).orders;
  ASSERT_THAT(pids_of(first), ElementsAre(2));
  desk.look({idle(1, 1s), idle(2, 0s), idle(3, 2s)}, 71s);
  ASSERT_THAT(pids_of(desk.decide_at(71s).orders), ElementsAre(1));
  desk.reply(first[0], ReplyKind::kGone, 71s);
  EXPECT_THAT(desk.decide_at(71s).orders, IsEmpty()) << "the second look has had its one action";
}

TEST(Selection, PausesAfterAnOrderOfUnknownOutcomeFromWhenItCanActNoMore) {
  Desk desk(rule_with("pause: 5s"));
  desk.look({idle(1, 1s), idle(2, 0s)}, 70s);
  const auto first = desk.decide_at(70s).orders;
  ASSERT_EQ(first.size(), 1U);
  desk.reply(first[0], ReplyKind::kUnknown, 71s);
  desk.look({idle(1, 1s)}, 72s);
  const auto wake = desk.decide_at(79s).wake;
  ASSERT_TRUE(wake.has_value());
  EXPECT_GE(*wake,
            MonotonicTime(1h) + first[0].guard.not_after.time_since_epoch() - at(0s).time_since_epoch() + 5s);
}

TEST(Selection, PausesAfterAnAction) {
  Desk desk(rule_with("pause: 5s"));
  const std::vector<Session> sessions{idle(1, 1s), idle(2, 0s), idle(3, 2s)};
  desk.look(sessions, 70s);
  const auto first = desk.decide_at(70s);
  ASSERT_THAT(pids_of(first.orders), ElementsAre(2));
  EXPECT_THAT(desk.decide_at(76s).orders, IsEmpty()) << "while it is in flight, for longer than the pause";
  desk.reply(first.orders[0], ReplyKind::kSignalled, 77s);
  desk.look({idle(1, 1s), idle(3, 2s)}, 78s);
  const auto pausing = desk.decide_at(82s - 1us);
  EXPECT_THAT(pausing.orders, IsEmpty());
  EXPECT_EQ(pausing.wake, MonotonicTime(1h + 82s)) << "five seconds after the effect";
  EXPECT_THAT(pids_of(desk.decide_at(82s).orders), ElementsAre(1));
}

TEST(Selection, DoesNotPauseAfterWhatCameToNothing) {
  Desk desk(rule_with("pause: 5s"));
  desk.look({idle(1, 1s), idle(2, 0s)}, 70s);
  desk.reply(desk.decide_at(70s).orders.at(0), ReplyKind::kGone, 71s);
  EXPECT_THAT(pids_of(desk.decide_at(71s).orders), ElementsAre(1));
}

TEST(Selection, AnotherRuleDoesNotWaitForIt) {
  Desk desk(
      "rules:\n"
      "  - { name: slow, match: { state: idle, state_age: 60s }, pause: 5s, escalate: [ terminate ] }\n"
      "  - { name: other, match: { state: idle, state_age: 65s }, escalate: [ terminate ] }\n");
  desk.look({idle(1, 1s), idle(2, 0s)}, 64s);
  desk.reply(desk.decide_at(64s).orders.at(0), ReplyKind::kSignalled, 64s);
  desk.look({idle(1, 1s)}, 65s);
  const auto orders = desk.decide_at(66s).orders;
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].rule, "other");
}

}  // namespace
}  // namespace pgcurfew::testing
