// Where decide() says that each claim stands.

#include "engine/standing.hpp"

#include <set>
#include <string>

#include <gmock/gmock.h>

#include "engine/scene.hpp"

namespace pgcurfew::testing {
namespace {

std::string rule_with(const std::string& keys, const std::string& escalate = "[ cancel ]") {
  return "rules: [ { name: r, match: { state: active, query_age: 10s }, " + keys + " escalate: " + escalate +
         " } ]";
}

/// At `now` of the only case.
Standing standing_at(Desk& desk, Duration now) {
  const auto standings = desk.decide_at(now).standings;
  EXPECT_EQ(standings.cases.size(), 1U);
  return standings.cases.at(0);
}

std::vector<Stand> stands_at(Desk& desk, Duration now) {
  std::vector<Stand> stands;
  for (const auto& standing : desk.decide_at(now).standings.cases) stands.push_back(standing.stand);
  return stands;
}

TEST(Standing, GoesUpTheLadderWithTheClaim) {
  Desk desk(rule_with("", "[ cancel, terminate: { after: 30s } ]"));
  desk.look({active(1, 0s)}, 5s);
  auto standing = standing_at(desk, 5s);
  EXPECT_EQ(standing.stand, Stand::kLimit);
  EXPECT_EQ(standing.until, at(10s));
  EXPECT_EQ(standing.next->kind, StepKind::kCancel);

  const auto cancel = desk.decide_at(10s);
  EXPECT_EQ(cancel.standings.cases.at(0).stand, Stand::kOrdered);
  EXPECT_EQ(standing_at(desk, 10s).stand, Stand::kInFlight);
  desk.reply(cancel.orders.at(0), ReplyKind::kSignalled, 10s);
  EXPECT_EQ(standing_at(desk, 11s).stand, Stand::kUnverified);

  desk.look({active(1, 0s)}, 12s);
  standing = standing_at(desk, 12s);
  EXPECT_EQ(standing.stand, Stand::kGrace);
  EXPECT_EQ(standing.until, at(40s));
  EXPECT_EQ(standing.next->kind, StepKind::kTerminate);

  const auto terminate = desk.decide_at(40s);
  desk.reply(terminate.orders.at(0), ReplyKind::kSignalled, 40s);
  desk.look({active(1, 0s)}, 41s);
  EXPECT_EQ(standing_at(desk, 41s).stand, Stand::kAtEnd);
  desk.look({active(1, 0s)}, 50s);
  EXPECT_EQ(standing_at(desk, 50s).stand, Stand::kUnkillable);
}

TEST(Standing, AfterAnOrderThatCameToNothingSaysUntilWhenItIsNotTriedAgain) {
  Desk desk(rule_with(""));
  desk.look({active(1, 0s)}, 10s);
  const auto order = desk.decide_at(10s).orders.at(0);
  desk.reply(order, ReplyKind::kFailed, 10s);
  desk.look({active(1, 0s)}, 10s);
  const auto standing = standing_at(desk, 10s);
  ASSERT_EQ(standing.stand, Stand::kFruitless);
  const auto until = *standing.until_ours;
  const auto decide = [&](MonotonicTime ours) {
    return pgcurfew::decide(desk.policy, desk.seen, desk.docket, {}, desk.ledger, {at(11s), ours});
  };
  EXPECT_EQ(decide(until - 1us).standings.cases.at(0).stand, Stand::kFruitless);
  EXPECT_EQ(decide(until).standings.cases.at(0).stand, Stand::kOrdered);
}

TEST(Standing, OfASessionThatTheServerDoesNotLetUsSignalIsDenied) {
  Desk desk(rule_with(""));
  desk.look({active(1, 0s)}, 10s);
  desk.reply(desk.decide_at(10s).orders.at(0), ReplyKind::kDenied, 10s);
  desk.look({active(1, 0s)}, 100s);
  EXPECT_EQ(standing_at(desk, 100s).stand, Stand::kDenied);
}

TEST(Standing, OfTwoRulesOneIsOrderedAndTheOtherCarried) {
  Desk desk(
      "rules: [ { name: a, match: { state: active, query_age: 10s }, escalate: [ cancel ] },"
      " { name: b, match: { state: active, query_age: 10s }, escalate: [ terminate ] },"
      " { name: c, match: { state: active, query_age: 12s }, escalate: [ terminate ] } ]");
  desk.look({active(1, 0s)}, 9s);
  const auto decision = desk.decide_at(10s);
  EXPECT_EQ(decision.standings.cases.at(0).stand, Stand::kCarried);
  EXPECT_EQ(decision.standings.cases.at(1).stand, Stand::kOrdered);
  EXPECT_EQ(decision.standings.cases.at(2).stand, Stand::kLimit);
  EXPECT_EQ(stands_at(desk, 12s).at(2), Stand::kTouched) << "no look has shown what the other has done";
}

TEST(Standing, ACancelCannotAffectAnIdleSession) {
  Desk desk(
      "rules: [ { name: r, match: { state: [ active, idle in transaction ], state_age: 10s }, escalate: [ "
      "cancel ] } ]");
  desk.look({idle_in_transaction(1, 0s)}, 10s);
  EXPECT_EQ(standing_at(desk, 20s).stand, Stand::kNoEffect);
}

TEST(Standing, NamesTheKeyThatLeavesTheSessionAlone) {
  Desk when(rule_with("when: { role: standby },"));
  when.look({active(1, 0s)}, 20s);
  EXPECT_EQ(standing_at(when, 20s).stand, Stand::kWhen);

  Desk keep(rule_with("keep: 1,"));
  keep.look({active(1, 0s)}, 20s);
  EXPECT_EQ(standing_at(keep, 20s).stand, Stand::kKeep);

  Desk hours(rule_with("during: { from: \"08:00\", to: \"18:00\", timezone: UTC },"));
  hours.look({active(1, 7h)}, 7h + 30min);
  const auto standing = standing_at(hours, 7h + 30min);
  EXPECT_EQ(standing.stand, Stand::kHours);
  EXPECT_EQ(standing.until, at(8h));
  for (const auto stand : {Stand::kWhen, Stand::kKeep, Stand::kHours}) EXPECT_TRUE(is_left_alone(stand));
}

TEST(Standing, NamesWhatLetsOthersGoFirst) {
  const std::vector<Session> three{active(1, 0s), active(2, 1s), active(3, 2s)};
  const auto first_of = [](Stand others) { return ::testing::ElementsAre(Stand::kOrdered, others, others); };
  Desk at_most(rule_with("at_most: 1,"));
  at_most.look(three, 20s);
  EXPECT_THAT(stands_at(at_most, 20s), first_of(Stand::kAtMost));

  Desk pause(rule_with("pause: 30s,"));
  pause.look(three, 20s);
  const auto decision = pause.decide_at(20s);
  EXPECT_EQ(decision.standings.cases.at(1).stand, Stand::kPause);
  pause.reply(decision.orders.at(0), ReplyKind::kSignalled, 20s);
  const auto paused = pause.decide_at(21s).standings.cases.at(1);
  EXPECT_EQ(paused.stand, Stand::kPause);
  EXPECT_GT(paused.until_ours, MonotonicTime(21s + 1h));

  Desk both(rule_with("at_most: 1, pause: 30s,"));
  both.look(three, 20s);
  EXPECT_THAT(stands_at(both, 20s), first_of(Stand::kAtMost));

  Desk breaker(rule_with(""));
  breaker.policy.safety.signals = 1;
  breaker.look(three, 20s);
  EXPECT_THAT(stands_at(breaker, 20s), first_of(Stand::kBreaker));
  for (const auto stand : {Stand::kAtMost, Stand::kPause, Stand::kBreaker, Stand::kRoom})
    EXPECT_TRUE(is_rationed(stand));
}

TEST(Standing, WhatARuleHasToWaitWithIsHeldWithAllThatItWouldHaveCarried) {
  Desk desk(
      "rules: [ { name: a, match: { state: active, query_age: 10s }, escalate: [ cancel ] },"
      " { name: b, match: { state: active, query_age: 10s }, escalate: [ terminate ] } ]");
  desk.policy.safety.signals = 1;
  desk.look({active(1, 0s), active(2, 1s)}, 20s);
  EXPECT_THAT(stands_at(desk, 20s),
              ::testing::ElementsAre(Stand::kCarried, Stand::kOrdered, Stand::kBreaker, Stand::kBreaker));
}

TEST(Standing, WaitsForRoomForALookForAnElderAndForARepeatedPause) {
  Desk room(rule_with(""));
  open_wide(room.policy);
  std::vector<Session> many;
  for (int pid = 1; pid <= 70; ++pid) many.push_back(active(pid, 0s));
  room.look(many, 20s);
  const auto stands = stands_at(room, 20s);
  EXPECT_EQ(std::count(stands.begin(), stands.end(), Stand::kOrdered), 64);
  EXPECT_EQ(std::count(stands.begin(), stands.end(), Stand::kRoom), 6);

  Desk herd(rule_with(""));
  herd.look({many.begin(), many.begin() + 12}, 9s);
  EXPECT_EQ(stands_at(herd, 10s), std::vector<Stand>(12, Stand::kLook)) << "they may have ended since";

  Desk old(rule_with("keep: 1, victims: all,"));
  old.look({active(1, 0s), active(2, 0s)}, 9s);
  EXPECT_EQ(stands_at(old, 15s), std::vector<Stand>(2, Stand::kLook));

  Desk elder(rule_with(""));
  elder.seen.elder = SessionKey{99, at(-1h)};
  elder.look({active(1, 0s)}, 9s);
  const auto standing = standing_at(elder, 10s);
  EXPECT_EQ(standing.stand, Stand::kElder);
  EXPECT_EQ(standing.until, at(10s + 100ms));

  Desk repeat(rule_with("repeat: { times: 1, within: 1h, per: user, then: pause },"));
  repeat.look({active(1, 0s), active(2, 1s)}, 10s);
  repeat.reply(repeat.decide_at(10s).orders.at(0), ReplyKind::kSignalled, 10s);
  EXPECT_EQ(stands_at(repeat, 11s).at(1), Stand::kRepeat);
}

TEST(Standing, OfADrainsClaimsToo) {
  Desk desk("rules: [ { name: r, match: { state: active, query_age: 1h }, escalate: [ cancel ] } ]");
  Drain drain;
  drain.name = "d";
  drain.wait = 5s;
  drain.escalate = {{StepKind::kCancel, 0s, {}}, {StepKind::kTerminate, 5s, {}}};
  drain.mode = Mode::kEnforce;
  DrainClaims claims;
  claims.drain = &drain;
  claims.sessions = {0};
  const auto look_at = [&](const Session& session, Duration now) {
    claims.look_number = desk.ledger.looks_sent + 1;
    desk.drains = {claims};
    desk.look({session}, now);
  };
  const auto stand_at = [&](Duration now) { return desk.decide_at(now).standings.drains.at(0).at(0).stand; };
  look_at(active(1, 0s), 6s);
  EXPECT_EQ(stand_at(20s), Stand::kGates);
  claims.since = at(5s);
  look_at(active(1, 0s), 7s);
  EXPECT_EQ(stand_at(9s), Stand::kLimit);
  const auto cancel = desk.decide_at(10s);
  EXPECT_EQ(cancel.standings.drains.at(0).at(0).stand, Stand::kOrdered);
  EXPECT_EQ(stand_at(10s), Stand::kInFlight);
  desk.reply(cancel.orders.at(0), ReplyKind::kSignalled, 10s);
  look_at(active(1, 0s), 11s);
  EXPECT_EQ(stand_at(12s), Stand::kGrace);
  desk.reply(desk.decide_at(15s).orders.at(0), ReplyKind::kSignalled, 15s);
  look_at(active(1, 0s), 16s);
  EXPECT_EQ(stand_at(17s), Stand::kAtEnd);
  drain.escalate.pop_back();
  look_at(idle_in_transaction(2, 0s), 18s);
  EXPECT_EQ(stand_at(18s), Stand::kNoEffect);
  desk.drains.at(0).look_number = 1;
  EXPECT_EQ(stand_at(18s), Stand::kLook) << "its claims are of another look";
}

TEST(Standing, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int stand = 0; stand <= static_cast<int>(Stand::kGates); ++stand)
    names.insert(name_of(static_cast<Stand>(stand)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Stand::kGates) + 1);
}

RC_GTEST_PROP(StandingProperty, WhatIsOrderedOrCarriedStandsThereAndNothingElse, ()) {
  const auto scene = *any_scene({.has_bounds = true});
  auto desk = copy_of(scene);
  const auto decision = desk.decide_at(scene.now);
  RC_ASSERT(decision.standings.cases.size() == desk.docket.cases.size());
  std::set<std::pair<SessionKey, std::string>> ordered;
  std::set<std::pair<SessionKey, std::string>> carried;
  for (const auto& order : decision.orders) ordered.emplace(order.guard.session, order.rule);
  for (const auto& event : decision.events) {
    if (event.kind != Kind::kSuperseded) continue;
    SessionKey session;
    for (const auto& [name, value] : event.fields) {
      if (name == "pid") session.pid = static_cast<std::int32_t>(std::get<std::int64_t>(value));
      if (name == "backend_start") session.backend_start = std::get<ServerTime>(value);
    }
    carried.emplace(session, text_field(event, "rule"));
  }
  for (std::size_t i = 0; i < desk.docket.cases.size(); ++i) {
    const auto& a_case = desk.docket.cases[i];
    const std::pair key(desk.seen.sessions[a_case.session].key, desk.policy.rules[a_case.rule].name);
    const auto stand = decision.standings.cases[i].stand;
    RC_ASSERT((stand == Stand::kOrdered) == ordered.contains(key));
    RC_ASSERT((stand == Stand::kCarried) == (carried.contains(key) && !ordered.contains(key)));
  }
}

RC_GTEST_PROP(StandingProperty, UntilThenTheClaimStandsWhereItIs, ()) {
  const auto scene = *any_scene({.has_bounds = true});
  auto desk = copy_of(scene);
  const auto before = desk.decide_at(scene.now).standings.cases;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (!before[i].until) continue;
    RC_ASSERT(*before[i].until > at(scene.now));
    auto later = copy_of(scene);
    const auto last = *before[i].until - at(Duration(0)) - 1us;
    const auto stand = later.decide_at(last).standings.cases.at(i).stand;
    RC_ASSERT(stand == before[i].stand);
  }
}

RC_GTEST_PROP(StandingProperty, WithoutBoundsNothingIsHeldByThem, ()) {
  const auto scene = *any_scene({.has_bounds = true});
  auto desk = copy_of(scene);
  open_wide(desk.policy);
  desk.ledger.breaker = desk.ledger.rehearsed_breaker = Breaker();
  for (const auto& standing : desk.decide_at(scene.now).standings.cases)
    RC_ASSERT(standing.stand != Stand::kBreaker);
}

}  // namespace
}  // namespace pgcurfew::testing
