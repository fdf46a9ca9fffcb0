#include "engine/breaker.hpp"

#include <gmock/gmock.h>

#include "engine/engine_fixture.hpp"
#include "engine/narrate.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

MonotonicTime mono(Duration time) {
  return MonotonicTime(time);
}

const Tenant kApp{"app", "app"};
const Tenant kOther{"other", "eve"};
const Tenant kThird{"third", "bob"};

/// A breaker whose server answers at once.
struct Bench {
  Safety safety;  // 20 per minute, a share of 25%
  std::size_t clients = 100;
  Breaker breaker;

  /// How many of a tenant's due sessions are admitted now.
  std::size_t admit(std::size_t due, MonotonicTime now, const Tenant& tenant = kApp) {
    return ask(std::vector<Breaker::Due>(due, {tenant, true}), now).admitted.size();
  }

  Breaker::Admission ask(const std::vector<Breaker::Due>& due, MonotonicTime now, bool is_sent = true) {
    auto admission = breaker.admit(safety, due, clients, 64, now);
    for (const auto i : admission.admitted) breaker.answered(due[i].tenant, is_sent, now);
    return admission;
  }
};

TEST(Breaker, AnAnnouncementOfLastWeekIsNoAnnouncement) {
  Bench bench;
  EXPECT_EQ(bench.admit(60, mono(0s)), 0U);
  EXPECT_THAT(bench.breaker.close_if_quiet(mono(1min)), SizeIs(1));
  // those ended by themselves; three days later others come
  const auto later = bench.ask(std::vector<Breaker::Due>(60, {kApp, true}), mono(72h));
  EXPECT_THAT(later.admitted, IsEmpty());
  ASSERT_THAT(later.trips, SizeIs(1));
  EXPECT_EQ(later.trips[0].bound, Breaker::Bound::kShare);
}

TEST(Breaker, AtOnceIsASecondAndNotAnInstant) {
  Bench bench;
  bench.clients = 40;  // ten at once, of which a tenant may have eight
  for (int i = 0; i < 8; ++i) EXPECT_EQ(bench.admit(1, mono(10ms * i)), 1U);
  const auto ninth = bench.ask({{kApp, true}}, mono(100ms));
  EXPECT_THAT(ninth.admitted, IsEmpty());
  ASSERT_THAT(ninth.trips, SizeIs(1));
  EXPECT_EQ(ninth.trips[0].bound, Breaker::Bound::kShare);
  Bench other;
  other.clients = 40;
  for (int i = 0; i < 15; ++i) EXPECT_EQ(other.admit(1, mono(200ms * i)), 1U);
}

TEST(Breaker, SaysOfTheShareHowManyWereSentAndHowManyAreAllowed) {
  Bench bench;
  bench.clients = 31;
  EXPECT_EQ(bench.admit(6, mono(0s)), 6U) << "of 7.75, less a reserve of 1";
  const auto seventh = bench.ask({{kApp, true}}, mono(500ms)).trips.at(0);
  EXPECT_EQ(seventh.bound, Breaker::Bound::kShare);
  EXPECT_EQ(seventh.sent, 6U);
  EXPECT_EQ(seventh.allowed, 6U);
  EXPECT_EQ(breaker_opened_event(seventh, bench.safety, 31, Mode::kEnforce).message,
            "the breaker of user app in database app opens: 7 signals within 1s (6 sent, 1 due) among 31 "
            "client sessions, one role may use 6 of 7; none go now, 1 is held back for 1min; then as many "
            "signals are sent as the bounds allow, the longest due first");
}

TEST(Breaker, SaysOfTheSignalsHowManyWereSentInTheirTime) {
  Bench bench;
  EXPECT_EQ(bench.admit(10, mono(0s)), 10U);
  const std::vector<Breaker::Due> wave(8, {kApp, true});
  // orders without a reply take up room, and open nothing
  const auto first = bench.breaker.admit(bench.safety, wave, 100, 64, mono(30s));
  EXPECT_THAT(first.admitted, SizeIs(5));
  EXPECT_THAT(first.trips, IsEmpty());
  for (int i = 0; i < 5; ++i) bench.breaker.answered(kApp, true, mono(30s));
  const auto rest = bench.ask({wave.begin(), wave.begin() + 3}, mono(30s)).trips.at(0);
  EXPECT_EQ(rest.bound, Breaker::Bound::kSignals);
  EXPECT_EQ(breaker_opened_event(rest, bench.safety, 100, Mode::kDryRun).message,
            "the breaker of user app in database app would open: 18 signals within 1min (15 sent, 3 due), "
            "one role may use 15 of 20; none go now, 3 are held back for 1min; then as many signals are sent "
            "as the bounds allow, the longest due first");
}

TEST(Breaker, CountsNoOrderThatBroughtNoSignal) {
  Bench bench;
  for (int i = 0; i < 200; ++i) {
    const auto admission = bench.ask(std::vector<Breaker::Due>(8, {kApp, true}), mono(10ms * i), false);
    EXPECT_THAT(admission.admitted, SizeIs(8));
    EXPECT_THAT(admission.trips, IsEmpty());
  }
}

TEST(Breaker, ATenantAtItsBoundOpensItsOwnOnly) {
  Bench bench;
  EXPECT_EQ(bench.admit(15, mono(0s)), 15U);
  const auto more = bench.ask({{kApp, true}, {kOther, true}}, mono(10s));
  EXPECT_THAT(more.admitted, ElementsAre(1));
  ASSERT_THAT(more.trips, SizeIs(1));
  EXPECT_EQ(more.trips[0].tenant, kApp);
  EXPECT_FALSE(bench.breaker.is_open());
  EXPECT_EQ(bench.breaker.open_tenants(), 1U);
}

TEST(Breaker, ATenantOfWhomTooManyAreDueHoldsNobodyElseBack) {
  Bench bench;
  std::vector<Breaker::Due> due(60, {kApp, true});
  due.push_back({kOther, true});
  const auto admission = bench.ask(due, mono(0s));
  EXPECT_THAT(admission.admitted, ElementsAre(60)) << "the last of the queue";
  ASSERT_THAT(admission.trips, SizeIs(1));
  EXPECT_EQ(admission.trips[0].tenant, kApp);
}

TEST(Breaker, TenantsTakeTurns) {
  Bench bench;
  bench.safety.signals = 8;  // six without the reserve
  std::vector<Breaker::Due> due(6, {kApp, true});
  due.push_back({kOther, true});
  due.push_back({kThird, true});
  const auto admission = bench.breaker.admit(bench.safety, due, 100, 64, mono(0s));
  EXPECT_THAT(admission.admitted, ElementsAre(0, 6, 7, 1, 2, 3));
}

TEST(Breaker, WhoHasHadLeastComesFirst) {
  Bench bench;
  EXPECT_EQ(bench.admit(4, mono(0s)), 4U);
  bench.safety.signals = 8;
  const std::vector<Breaker::Due> due{{kApp, true}, {kApp, true}, {kApp, true}, {kOther, true}};
  EXPECT_THAT(bench.breaker.admit(bench.safety, due, 100, 64, mono(10s)).admitted, ElementsAre(3, 0));
}

TEST(Breaker, WhileTheServersBoundIsReachedTheOthersGetASignalASecond) {
  Bench bench;
  EXPECT_EQ(bench.admit(15, mono(0s)), 15U);
  const std::vector<Breaker::Due> due{{kOther, true}, {kOther, true}, {kThird, true}};
  const auto first = bench.ask(due, mono(10s));
  EXPECT_THAT(first.admitted, ElementsAre(0, 2));
  ASSERT_THAT(first.trips, SizeIs(1)) << "one is held back";
  EXPECT_FALSE(first.trips[0].tenant);
  EXPECT_EQ(first.trips[0].due, 3U);
  EXPECT_EQ(first.trips[0].admitted, 2U);
  EXPECT_THAT(breaker_opened_event(first.trips[0], bench.safety, 100, Mode::kEnforce).message,
              ::testing::HasSubstr(
                  "(15 sent, 3 due), of 20 allowed 5 are kept in reserve; 2 go now, 1 is held back"));
  EXPECT_TRUE(bench.breaker.is_open());
  EXPECT_EQ(first.wake, mono(11s));
  EXPECT_EQ(bench.admit(1, mono(11s - 1us), kOther), 0U);
  EXPECT_EQ(bench.admit(3, mono(11s), kOther), 1U);
  EXPECT_EQ(bench.admit(3, mono(12s), kOther), 1U);
  EXPECT_EQ(bench.admit(3, mono(13s), kOther), 1U);
  const auto used_up = bench.ask({{kOther, true}}, mono(14s));
  EXPECT_THAT(used_up.admitted, IsEmpty()) << "20 of 20 have left";
  EXPECT_EQ(used_up.wake, mono(60s)) << "when the first of them count no longer";
  EXPECT_EQ(bench.admit(3, mono(60s), kOther), 1U);
  EXPECT_EQ(bench.admit(3, mono(61s), kOther), 0U) << "it has had its part of the reserve";
  EXPECT_EQ(bench.admit(1, mono(60s), kThird), 1U);
}

TEST(Breaker, WhoOpenedItGetsNothingOfTheReserve) {
  Bench bench;
  EXPECT_EQ(bench.admit(8, mono(0s), kApp), 8U);
  EXPECT_EQ(bench.admit(7, mono(2s), kOther), 7U);
  EXPECT_EQ(bench.admit(3, mono(4s), kApp), 0U);
  EXPECT_TRUE(bench.breaker.is_open());
  EXPECT_EQ(bench.admit(3, mono(6s), kApp), 0U);
  EXPECT_EQ(bench.admit(3, mono(6s), kOther), 0U);
  EXPECT_EQ(bench.admit(3, mono(6s), kThird), 1U);
}

TEST(Breaker, ARoleThatComesFromManyDatabasesTakesOneTurn) {
  Bench bench;
  bench.safety.signals = 8;  // six without the reserve
  std::vector<Breaker::Due> due;
  for (int database = 0; database < 6; ++database) due.push_back({{std::to_string(database), "eve"}, true});
  due.push_back({kApp, true});
  due.push_back({kApp, true});
  EXPECT_THAT(bench.breaker.admit(bench.safety, due, 100, 64, mono(0s)).admitted,
              ElementsAre(0, 6, 1, 7, 2, 3));
}

TEST(Breaker, ARoleThatComesFromManyDatabasesDoesNotTakeTheReserve) {
  Bench bench;
  std::vector<Breaker::Due> due;
  for (int database = 0; database < 60; ++database) due.push_back({{std::to_string(database), "eve"}, false});
  EXPECT_THAT(bench.ask(due, mono(0s)).admitted, SizeIs(15));
  EXPECT_THAT(bench.ask(due, mono(2s)).admitted, IsEmpty());
  due.push_back({kApp, true});
  EXPECT_THAT(bench.ask(due, mono(4s)).admitted, ElementsAre(60));
}

TEST(Breaker, ARoleThatOffendsInManyDatabasesDoesNotOpenTheServers) {
  Bench bench;
  bench.clients = 20;  // six at once, five of one role
  std::vector<Breaker::Due> due(3, {{"a", "eve"}, true});
  due.insert(due.end(), 3, {{"b", "eve"}, true});
  due.push_back({kApp, true});
  const auto admission = bench.ask(due, mono(0s));
  EXPECT_FALSE(bench.breaker.is_open());
  EXPECT_THAT(admission.admitted, ::testing::Contains(6U));
}

TEST(Breaker, WhoCannotGoTakesNoTurnOfARule) {
  Desk desk(
      "rules: [ { name: a, match: { user: eve, state: active, query_age: 10s }, escalate: [ cancel ] },"
      "         { name: b, match: { state: active, transaction_age: 10s }, pause: 5s, escalate: [ cancel ] } "
      "]");
  std::vector<Session> sessions;
  for (int pid = 1; pid <= 9; ++pid) sessions.push_back(active(pid, 0s, "eve"));
  desk.look(sessions, 10s);
  EXPECT_THAT(desk.decide_at(10s).orders, IsEmpty());
  EXPECT_EQ(desk.ledger.breaker.open_tenants(), 1U);
  sessions.push_back(active(99, 1s, "honest"));
  desk.look(sessions, 20s);
  EXPECT_THAT(pids_of(desk.decide_at(20s).orders), ElementsAre(99));
}

TEST(Breaker, SaysThatABoundHoldsBackARuleThatGoesInSmallSteps) {
  Desk desk(
      "safety: { signals: 4 per 1min, share: 100%, quiet: 1min }\n"
      "rules: [ { name: r, match: { state: active, query_age: 10s }, at_most: 3, escalate: [ cancel ] } ]");
  std::vector<Session> sessions;
  for (int pid = 1; pid <= 9; ++pid) sessions.push_back(active(pid, 0s));
  desk.look(sessions, 10s);
  const auto first = desk.decide_at(10s);
  EXPECT_THAT(first.orders, SizeIs(3)) << "one of the four is for others";
  for (const auto& order : first.orders) desk.reply(order, ReplyKind::kSignalled, 10s);
  desk.look({sessions.begin() + 3, sessions.end()}, 11s);
  const auto second = desk.decide_at(11s);
  EXPECT_THAT(second.orders, IsEmpty());
  EXPECT_THAT(kinds_of(second.events), ::testing::Contains("breaker_open"));
  EXPECT_EQ(second.wake, MonotonicTime(1h + 10s + 1min)) << "when the three count no longer";
}

TEST(Breaker, ThoseThatItHasHeldBackOpenItNoMoreThanOnce) {
  Bench bench;
  bench.safety.quiet = 8s;
  bench.safety.per = 20s;
  EXPECT_EQ(bench.admit(15, mono(0s)), 15U);
  EXPECT_EQ(bench.ask({{kApp, true}}, mono(13s)).trips.at(0).bound, Breaker::Bound::kSignals);
  bench.breaker.close_if_quiet(mono(21s));
  // thirty have become due one by one meanwhile
  EXPECT_EQ(bench.admit(30, mono(21s)), 15U);
}

TEST(Breaker, WhomTheServersHoldsBackItGetsItsSignalASecondThoughTheyBecomeMany) {
  Bench bench;
  EXPECT_EQ(bench.admit(8, mono(0s), kOther), 8U);
  EXPECT_EQ(bench.admit(7, mono(2s), kThird), 7U);
  EXPECT_EQ(bench.admit(1, mono(4s), kThird), 0U);
  ASSERT_TRUE(bench.breaker.is_open());
  for (int second = 5; second < 10; ++second) {
    EXPECT_EQ(bench.admit(30, mono(std::chrono::seconds(second))), 1U) << second;
  }
  EXPECT_EQ(bench.breaker.open_tenants(), 0U);
}

TEST(Breaker, NeverLetsMoreThanTheServersBoundPass) {
  Bench bench;
  bench.clients = 1000;
  std::size_t sent = 0;
  for (int i = 0; i < 590; ++i) {
    std::vector<Breaker::Due> due;
    for (int tenant = 0; tenant < 40; ++tenant) due.push_back({{"db", std::to_string(tenant)}, true});
    sent += bench.ask(due, mono(100ms * i)).admitted.size();
  }
  EXPECT_EQ(sent, 20U) << "within a minute";
}

TEST(Breaker, WhatNoLookHasShownPastItsLimitOpensNothing) {
  Bench bench;
  bench.clients = 1;
  const auto admission = bench.ask(std::vector<Breaker::Due>(40, {kApp, false}), mono(0s), false);
  EXPECT_THAT(admission.admitted, SizeIs(Breaker::kAlwaysPass)) << "orders in flight take up room";
  EXPECT_THAT(admission.trips, IsEmpty());
}

TEST(Breaker, ForgetsATenantThatHasNothingMoreToRemember) {
  Bench bench;
  for (int i = 0; i < 1000; ++i) bench.admit(1, mono(1h * i), {"db", std::to_string(i)});
  EXPECT_EQ(bench.breaker.tenants(), 1U);
}

TEST(Breaker, GivesBackWhatBroughtNoSignal) {
  Desk desk(
      "safety: { signals: 2 per 1min, share: 100% }\n"
      "rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ cancel ] } ]");
  desk.look({active(1, 0s)}, 5s);
  for (const auto& order : desk.decide_at(10s).orders) desk.reply(order, ReplyKind::kShifted, 10s);
  for (const auto& order : desk.decide_at(11s).orders) desk.reply(order, ReplyKind::kMovedOn, 11s);
  desk.look({active(3, 0s)}, 12s);
  EXPECT_EQ(desk.decide_at(12s).orders.size(), 1U);
  EXPECT_EQ(desk.ledger.breaker.open_tenants(), 0U);
}

TEST(Breaker, ASparedSessionDoesNotHoldTheHeadOfTheQueue) {
  Desk desk(
      "safety: { signals: 2 per 1min, share: 100% }\n"
      "rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ cancel ] } ]");
  const std::vector<Session> sessions{active(1, 0s), active(2, 1s)};
  desk.look(sessions, 5s);
  const auto first = desk.decide_at(20s).orders;
  EXPECT_THAT(pids_of(first), ElementsAre(1)) << "one of two is for others";
  desk.reply(first.at(0), ReplyKind::kMovedOn, 20s);
  desk.look(sessions, 21s);
  EXPECT_THAT(pids_of(desk.decide_at(21s).orders), ElementsAre(2));
}

TEST(Breaker, AHerdIsLookedAtAgainBeforeItIsCondemned) {
  Desk desk("rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ cancel ] } ]");
  std::vector<Session> herd;
  for (int pid = 1; pid <= 12; ++pid) herd.push_back(active(pid, 0s));
  herd.push_back(active(99, 0s, "honest"));
  desk.look(herd, 5s);
  const auto decision = desk.decide_at(10s);
  EXPECT_THAT(pids_of(decision.orders), ElementsAre(99)) << "the herd holds nobody else up";
  EXPECT_TRUE(decision.look_at_once);
  EXPECT_THAT(kinds_of(decision.events), ElementsAre("intent"));
  desk.look({}, 10s + 1ms);
  EXPECT_THAT(desk.decide_at(10s + 1ms).events, IsEmpty()) << "it was over before its limit";
}

TEST(Breaker, AHerdThatIsPastItsLimitOpensItsTenants) {
  Desk desk("rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ cancel ] } ]");
  std::vector<Session> herd;
  for (int pid = 1; pid <= 12; ++pid) herd.push_back(active(pid, 0s));
  desk.look(herd, 10s);
  const auto decision = desk.decide_at(10s);
  EXPECT_THAT(decision.orders, IsEmpty());
  EXPECT_FALSE(decision.look_at_once);
  EXPECT_THAT(kinds_of(decision.events), ElementsAre("breaker_open"));
}

TEST(Breaker, AlertsAreBoundedByWhatMayBeInFlightAndComeBehindSignals) {
  Desk desk(
      "safety: { signals: 10000 per 1s, share: 100% }\n"
      "rules: [ { name: told, match: { state: active, query_age: 10s }, escalate: [ alert ] },"
      "         { name: ended, match: { user: eve, query_age: 10s, state: active }, escalate: [ cancel ] } "
      "]");
  std::vector<Session> sessions;
  for (int pid = 1; pid <= 200; ++pid) sessions.push_back(active(pid, 0s));
  sessions.push_back(active(201, 0s, "eve"));
  desk.look(sessions, 5s);
  const auto orders = desk.decide_at(10s).orders;
  ASSERT_EQ(orders.size(), kMostInFlight);
  EXPECT_EQ(orders[0].rule, "ended");
  for (const auto& order : orders) desk.reply(order, ReplyKind::kSignalled, 10s);
  EXPECT_EQ(desk.decide_at(10s).orders.size(), kMostInFlight) << "the others follow";
}

}  // namespace
}  // namespace pgcurfew::testing
