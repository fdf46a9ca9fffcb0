#include "engine/breaker.hpp"

#include <gmock/gmock.h>

#include "engine/engine_fixture.hpp"
#include "engine/narrate.hpp"

namespace pgcurfew::testing {
namespace {

MonotonicTime mono(Duration time) {
  return MonotonicTime(time);
}

TEST(Breaker, AnAnnouncementOfLastWeekIsNoAnnouncement) {
  Breaker breaker;
  const Safety safety;
  EXPECT_EQ(breaker.admit(safety, 60, 100, mono(0s)).admitted, 0U);
  EXPECT_TRUE(breaker.close_if_quiet(mono(1min)));
  // those went away by themselves; three days later others come
  const auto later = breaker.admit(safety, 60, 100, mono(72h));
  EXPECT_EQ(later.admitted, 0U);
  EXPECT_EQ(later.trip, Breaker::Trip::kShare);
}

TEST(Breaker, AtOnceIsASecondAndNotAnInstant) {
  Breaker breaker;
  const Safety safety;  // a share of 25%
  for (int i = 0; i < 10; ++i) EXPECT_EQ(breaker.admit(safety, 1, 40, mono(10ms * i)).admitted, 1U);
  const auto eleventh = breaker.admit(safety, 1, 40, mono(100ms));
  EXPECT_EQ(eleventh.admitted, 0U);
  EXPECT_EQ(eleventh.trip, Breaker::Trip::kShare);
  Breaker other;
  for (int i = 0; i < 15; ++i) EXPECT_EQ(other.admit(safety, 1, 40, mono(200ms * i)).admitted, 1U);
}

TEST(Breaker, SaysOfTheShareHowManyWereSentAndHowManyAreAllowed) {
  Breaker breaker;
  const Safety safety;  // a share of 25%
  EXPECT_EQ(breaker.admit(safety, 7, 31, mono(0s)).admitted, 7U) << "of 7.75";
  const auto eighth = breaker.admit(safety, 1, 31, mono(500ms));
  EXPECT_EQ(eighth.trip, Breaker::Trip::kShare);
  EXPECT_EQ(eighth.sent, 7U);
  EXPECT_EQ(eighth.allowed, 7U);
  EXPECT_EQ(breaker_opened_event(eighth, safety, 1, 31, Mode::kEnforce).message,
            "the breaker opens: 8 signals within 1s (7 sent, 1 due) among 31 client sessions, at most 7 are "
            "allowed; none go now, 1 is held back for 1min, and then go on, the longest due first");
}

TEST(Breaker, SaysOfTheSignalsHowManyWereSentInTheirTime) {
  Breaker breaker;
  const Safety safety;  // 20 per minute
  EXPECT_EQ(breaker.admit(safety, 15, 100, mono(0s)).admitted, 15U);
  const auto wave = breaker.admit(safety, 8, 100, mono(30s));
  EXPECT_EQ(wave.trip, Breaker::Trip::kSignals);
  EXPECT_EQ(breaker_opened_event(wave, safety, 8, 100, Mode::kDryRun).message,
            "the breaker would open: 23 signals within 1min (15 sent, 8 due), at most 20 are allowed; 5 go "
            "now, 3 are held back for 1min, and then go on, the longest due first");
}

TEST(Breaker, GivesBackWhatBroughtNoSignal) {
  Desk desk(
      "safety: { signals: 2 per 1min, share: 100% }\n"
      "rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ cancel ] } ]");
  desk.look({active(1, 0s), active(2, 0s)}, 5s);
  for (const auto& order : desk.decide_at(10s).orders) desk.reply(order, ReplyKind::kShifted, 10s);
  for (const auto& order : desk.decide_at(11s).orders) desk.reply(order, ReplyKind::kMovedOn, 11s);
  desk.look({active(3, 0s), active(4, 0s)}, 12s);
  EXPECT_EQ(desk.decide_at(12s).orders.size(), 2U);
  EXPECT_FALSE(desk.ledger.breaker.is_open());
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

TEST(Breaker, GivesBackTheOneThatBroughtNothingAndNotTheNewest) {
  Breaker breaker;
  Safety safety;
  safety.signals = 2;
  safety.per = 1min;
  breaker.admit(safety, 1, 100, mono(0s));
  breaker.admit(safety, 1, 100, mono(30s));
  breaker.refund(mono(0s));
  EXPECT_EQ(breaker.admit(safety, 1, 100, mono(40s)).admitted, 1U);
  EXPECT_EQ(breaker.admit(safety, 1, 100, mono(65s)).admitted, 0U) << "two have left since 30 s";
}

}  // namespace
}  // namespace pgcurfew::testing
