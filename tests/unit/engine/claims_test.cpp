// Rules and drains that claim the same sessions.
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const char* const kCancels =
    "rules: [ { name: r, match: { state: active, query_age: 10s }, "
    "escalate: [ cancel, terminate: { after: 30s } ] } ]";
const char* const kTerminates =
    "rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ terminate ] } ]";

/// A desk, and a drain that claims all of its sessions; its ladder counts from 5 s: cancel at 10 s, terminate
/// at 15 s.
struct Rivals : Desk {
  explicit Rivals(const std::string& rules, Mode mode = Mode::kEnforce) : Desk(rules) {
    drain.name = "d";
    drain.wait = 5s;
    drain.escalate = {{StepKind::kCancel, 0s, {}}, {StepKind::kTerminate, 5s, {}}};
    drain.mode = mode;
  }

  std::vector<Event> look(std::vector<Session> sessions, Duration time) {
    DrainClaims claims;
    claims.drain = &drain;
    claims.look_number = ledger.looks_sent + 1;
    claims.since = at(5s);
    for (std::size_t i = 0; i < sessions.size(); ++i) claims.sessions.push_back(i);
    drains = {claims};
    return Desk::look(std::move(sessions), time);
  }

  Drain drain;
};

std::vector<std::string> claimants_of(const std::vector<Order>& orders) {
  std::vector<std::string> names;
  for (const auto& order : orders)
    names.push_back(fmt::format("{}{} {}", order.rule, order.drain, name_of(order.step)));
  return names;
}

TEST(Claims, OfEqualStepsTheDrainsIsTakenAndTheRuleClimbsWithIt) {
  Rivals desk(kCancels);
  desk.look({active(1, 0s)}, 9s);
  const auto decision = desk.decide_at(10s);
  ASSERT_THAT(claimants_of(decision.orders), ElementsAre("d cancel"));
  ASSERT_THAT(kinds_of(decision.events), ElementsAre("intent", "superseded"));
  EXPECT_EQ(text_field(decision.events[1], "rule"), "r");
  EXPECT_EQ(text_field(decision.events[1], "superseded_by"), "d");
  desk.reply(decision.orders[0], ReplyKind::kSignalled, 10s);
  desk.drain.escalate.pop_back();
  desk.look({active(1, 0s)}, 11s);
  EXPECT_THAT(desk.decide_at(39s).orders, IsEmpty());
  EXPECT_THAT(claimants_of(desk.decide_at(40s).orders), ElementsAre("r terminate"))
      << "30s after the drain's";
}

TEST(Claims, AStrongerStepOfARuleIsTakenAndTheDrainClimbsWithIt) {
  Rivals desk(kTerminates);
  desk.look({active(1, 0s)}, 9s);
  const auto decision = desk.decide_at(10s);
  ASSERT_THAT(claimants_of(decision.orders), ElementsAre("r terminate"));
  EXPECT_EQ(text_field(decision.events.at(1), "drain"), "d");
  desk.reply(decision.orders[0], ReplyKind::kSignalled, 10s);
  desk.look({active(1, 0s)}, 11s);
  EXPECT_THAT(desk.decide_at(12s).orders, IsEmpty()) << "its cancel counts as done";
  EXPECT_THAT(claimants_of(desk.decide_at(15s).orders), ElementsAre("d terminate"));
}

TEST(Claims, WhatABreakerHoldsBackFromARuleTheDrainDoes) {
  Rivals desk(kTerminates);
  desk.policy.safety.signals = 1;
  desk.look({active(1, 0s), active(2, 1s)}, 9s);
  const auto decision = desk.decide_at(11s);
  EXPECT_THAT(claimants_of(decision.orders), ElementsAre("r terminate", "d cancel"));
  EXPECT_EQ(decision.orders.at(1).guard.session.pid, 2);
}

TEST(Claims, NoSignalFollowsAnotherClaimantsWithoutALookBetween) {
  Rivals desk(kTerminates);
  desk.look({active(1, 1s)}, 9s);
  const auto first = desk.decide_at(10s).orders;
  ASSERT_THAT(claimants_of(first), ElementsAre("d cancel"));
  EXPECT_THAT(desk.decide_at(11s).orders, IsEmpty()) << "the rule's is due, the drain's under way";
  desk.reply(first[0], ReplyKind::kSignalled, 11s);
  EXPECT_THAT(desk.decide_at(20s).orders, IsEmpty()) << "nor before a look has shown what came of it";
  desk.look({active(1, 1s)}, 20s);
  EXPECT_THAT(claimants_of(desk.decide_at(20s).orders), ElementsAre("d terminate"));

  Rivals other(kCancels);
  other.look({active(1, -1s)}, 9s);
  const auto rules = other.decide_at(9s).orders;
  ASSERT_THAT(claimants_of(rules), ElementsAre("r cancel"));
  EXPECT_THAT(other.decide_at(10s).orders, IsEmpty()) << "a drain is deaf to no rule";
}

TEST(Claims, WhomTheServerDeniesToOneItDeniesToAll) {
  Rivals desk(kCancels);
  desk.look({active(1, 1s)}, 9s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kDenied, 10s);
  desk.look({active(1, 1s)}, 30s);
  EXPECT_THAT(desk.decide_at(2min).orders, IsEmpty());
}

TEST(Claims, ADrainTakesNothingOfABound) {
  Rivals desk(kTerminates);
  desk.policy.safety.signals = 1;
  desk.policy.rules[0].match.ages[0].limit = 20s;
  std::vector<Session> many;
  for (int pid = 1; pid <= 30; ++pid) many.push_back(active(pid, 0s));
  desk.look(many, 9s);
  const auto orders = desk.decide_at(10s).orders;
  EXPECT_THAT(orders, SizeIs(30));
  for (const auto& order : orders) desk.reply(order, ReplyKind::kSignalled, 10s);
  EXPECT_FALSE(desk.ledger.breaker.is_open());
  desk.drains.clear();
  desk.Desk::look({active(1, 0s)}, 21s);
  EXPECT_THAT(claimants_of(desk.decide_at(21s).orders), ElementsAre("r terminate"));
}

TEST(Claims, SignalsOfRulesLeaveBeforeThoseOfADrainThatFillsTheLine) {
  Rivals desk(kTerminates);
  desk.policy.safety.signals = 1000;
  desk.policy.safety.share = 1;
  std::vector<Session> many;
  for (int pid = 1; pid <= 100; ++pid) many.push_back(active(pid, pid == 100 ? 0s : 8s));
  desk.look(many, 9s);
  const auto first = desk.decide_at(10s).orders;
  EXPECT_THAT(first, SizeIs(kMostInFlight));
  EXPECT_EQ(claimants_of(first).front(), "r terminate") << "and it was the last of the rows";
  EXPECT_THAT(desk.decide_at(10s).orders, IsEmpty());
  desk.reply(first[1], ReplyKind::kSignalled, 10s);
  EXPECT_THAT(claimants_of(desk.decide_at(10s).orders), ElementsAre("d cancel")) << "one after the other";
}

TEST(Claims, TheEndOfADrainEndsWhatWasToldOfItsSessionsOnceItsSignalsHaveHadTheirTime) {
  Rivals desk("");
  desk.look({active(1, 0s), active(2, 0s)}, 9s);
  for (const auto& order : desk.decide_at(10s).orders) desk.reply(order, ReplyKind::kSignalled, 10s);
  desk.drains.clear();
  EXPECT_THAT(desk.Desk::look({active(1, 0s), active(2, 0s)}, 12s), IsEmpty())
      << "they may yet have an effect";
  const auto gone = desk.Desk::look({active(1, 0s)}, 13s);
  ASSERT_THAT(kinds_of(gone), ElementsAre("verified", "ended"));
  EXPECT_EQ(text_field(gone[1], "end"), "by_us");
  const auto over = desk.Desk::look({active(1, 0s)}, 15s);
  ASSERT_THAT(kinds_of(over), ElementsAre("ended"));
  EXPECT_EQ(text_field(over[0], "end"), "drain_over");
  EXPECT_THAT(desk.ledger.episodes, IsEmpty());
}

TEST(Claims, ANewRunOfADrainDoesNotGoOnWhereTheOneBeforeStopped) {
  Rivals desk("", Mode::kDryRun);
  desk.look({active(1, 0s)}, 9s);
  for (const auto at : {10s, 15s}) desk.reply(desk.decide_at(at).orders.at(0), ReplyKind::kSignalled, at);
  EXPECT_THAT(desk.decide_at(16s).orders, IsEmpty()) << "rehearsed to its end";
  // no look has shown the time between the two
  desk.drain.mode = Mode::kEnforce;
  desk.drains[0].run = 1;
  const auto orders = desk.decide_at(17s).orders;
  ASSERT_THAT(claimants_of(orders), ElementsAre("d terminate"));
  EXPECT_TRUE(orders[0].is_signal());
}

TEST(Claims, ALadderThatAReloadHasChangedGoesByWhatWasDone) {
  Rivals shorter("");
  shorter.look({active(1, 0s)}, 9s);
  shorter.reply(shorter.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  shorter.drain.escalate = {{StepKind::kTerminate, 6s, {}}};
  shorter.look({active(1, 0s)}, 11s);
  EXPECT_THAT(claimants_of(shorter.decide_at(16s).orders), ElementsAre("d terminate"));

  Rivals longer("");
  longer.drain.escalate = {{StepKind::kCancel, 0s, {}}};
  longer.look({active(1, 0s)}, 9s);
  longer.reply(longer.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  longer.drain.escalate = {{StepKind::kCancel, 0s, {}}, {StepKind::kTerminate, 10min, {}}};
  EXPECT_THAT(kinds_of(longer.look({active(1, 0s)}, 20s)), ElementsAre("verified")) << "not unkillable";
  EXPECT_THAT(claimants_of(longer.decide_at(11min).orders), ElementsAre("d terminate"));
}

TEST(Claims, AlertsOfRulesDoNotWaitBehindADrain) {
  Rivals desk("rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ alert ] } ]");
  std::vector<Session> many;
  for (int pid = 1; pid <= 100; ++pid) many.push_back(active(pid, pid == 100 ? 0s : 8s));
  desk.look(many, 9s);
  EXPECT_EQ(claimants_of(desk.decide_at(10s).orders).front(), "r alert");
}

TEST(Claims, ACancelOfADrainIsVerifiedByTheStatementAndUnkillableIsWhoOutlivesItsTerminate) {
  Rivals desk("");
  desk.look({active(1, 0s)}, 9s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  const auto next = desk.look({active(1, 11s)}, 12s);
  ASSERT_THAT(kinds_of(next), ElementsAre("verified"));
  EXPECT_EQ(text_field(next[0], "effect"), "query_ended");
  EXPECT_THAT(desk.look({active(1, 11s)}, 14s), IsEmpty()) << "once";
  desk.reply(desk.decide_at(15s).orders.at(0), ReplyKind::kSignalled, 15s);
  EXPECT_THAT(kinds_of(desk.look({active(1, 11s)}, 17s)), ElementsAre("verified"));
  const auto stays = desk.look({active(1, 11s)}, 21s);
  ASSERT_THAT(kinds_of(stays), ElementsAre("unkillable", "ended"));
  EXPECT_EQ(stays[0].level, Level::kError);
  EXPECT_THAT(desk.look({active(1, 11s)}, 1min), IsEmpty()) << "once";
}

}  // namespace
}  // namespace pgcurfew::testing
