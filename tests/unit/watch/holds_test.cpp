#include "watch/holds.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/duration.hpp"
#include "watch/watch_harness.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::StartsWith;

constexpr MonotonicTime kLater(5s);

Holds with(std::initializer_list<Hold> standing) {
  Holds holds;
  for (const auto hold : standing) holds.set(hold, true, {}, {});
  return holds;
}

TEST(Holds, PermitEverythingIfThereAreNone) {
  EXPECT_TRUE(Holds().let(Activity::kRules));
  EXPECT_TRUE(Holds().let(Activity::kDrains));
}

TEST(Holds, EachStopItsOwnActivities) {
  for (const auto hold : {Hold::kDown, Hold::kGivenUp, Hold::kClockUnasked, Hold::kClockJumped}) {
    EXPECT_FALSE(with({hold}).let(Activity::kRules)) << name_of(hold);
    EXPECT_FALSE(with({hold}).let(Activity::kDrains)) << name_of(hold);
  }
  for (const auto hold :
       {Hold::kLooksFail, Hold::kNoReadAllStats, Hold::kNoSignal, Hold::kHidden, Hold::kNameless,
        Hold::kWaitsFail, Hold::kGatesFail, Hold::kBreakerOpen, Hold::kTenantBreakerOpen}) {
    EXPECT_TRUE(with({hold}).let(Activity::kRules)) << name_of(hold);
    EXPECT_TRUE(with({hold}).let(Activity::kDrains)) << name_of(hold);
  }
}

TEST(Holds, AStopLetsDrainsOpenTheirGatesWhateverTheClockSays) {
  EXPECT_FALSE(with({Hold::kStopping}).let(Activity::kRules));
  EXPECT_TRUE(with({Hold::kStopping}).let(Activity::kDrains));
  EXPECT_TRUE(with({Hold::kStopping, Hold::kClockJumped, Hold::kClockUnasked}).let(Activity::kDrains));
  EXPECT_FALSE(with({Hold::kStopping, Hold::kDown}).let(Activity::kDrains));
}

TEST(Holds, KeepTheTimeAtWhichTheyBegan) {
  Holds holds;
  holds.set(Hold::kHidden, true, MonotonicTime(1s), WallTime(100s), "3 sessions hidden");
  holds.set(Hold::kHidden, true, MonotonicTime(2s), WallTime(101s), "4 sessions hidden");
  ASSERT_EQ(holds.shown().size(), 1U);
  EXPECT_EQ(holds.shown()[0].since, WallTime(100s));
  EXPECT_EQ(holds.shown()[0].text, "4 sessions hidden");
  EXPECT_EQ(holds.set(Hold::kHidden, false, kLater, {}), Duration(4s));
  EXPECT_EQ(holds.set(Hold::kHidden, false, kLater, {}), std::nullopt) << "it has ended before";
}

TEST(Holds, AnUnreportedBeginningHasAnUnreportedEnd) {
  Holds holds;
  holds.set(Hold::kWaitsFail, true, {}, {}, {}, false);
  EXPECT_EQ(holds.set(Hold::kWaitsFail, false, kLater, {}), std::nullopt);
  holds.set(Hold::kWaitsFail, true, {}, {}, {}, false);
  holds.set(Hold::kWaitsFail, true, {}, {}, {}, true);
  EXPECT_EQ(holds.set(Hold::kWaitsFail, false, kLater, {}), Duration(5s));
}

TEST(Holds, AreAllShown) {
  Harness h;
  EXPECT_EQ(h.holds(), "out of reach");
  EXPECT_FALSE(h.watch.status().is_up);
  h.happen(happening::Tick{});
  h.happen(happening::Connected{});
  h.happen(happening::LookFailed{{"permission denied", {}, {}, "42501"}});
  h.happen(happening::StopAsked{});
  EXPECT_EQ(h.holds(),
            "stopping, clock not read yet, cannot look, lacks pg_read_all_stats, lacks pg_signal_backend");
}

TEST(Holds, AJumpOfTheClockIsShownUntilItIsTrustedAgain) {
  Harness h;
  h.connect();
  h.look({});
  EXPECT_EQ(h.holds(), "");
  h.skew = 1h;
  h.tick(9s);
  h.look({});
  EXPECT_EQ(h.holds(), "clock jumped");
  for (int look = 0; look < 2; ++look) {
    h.tick(h.now + 1s);
    h.look({});
  }
  EXPECT_EQ(h.holds(), "");
}

/// A watch whose looks show what a test sets.
struct Seer : Harness {
  using Harness::Harness;

  void see(std::size_t hidden, std::vector<Session> sessions = {}, bool waits_failed = false) {
    Look seen;
    seen.hidden = hidden;
    seen.sessions = std::move(sessions);
    seen.waits_failed = waits_failed;
    take(std::move(seen));
    tick(now + 9s);
  }
  void lose_and_connect() {
    happen(happening::ConnectionLost{{"gone", {}, {}, {}}});
    now += 1min;
    connect();
  }
  /// The holds whose end was reported, with how long they lasted: `hidden 9s`.
  [[nodiscard]] std::vector<std::string> over() const {
    std::vector<std::string> texts;
    for (const auto& event : told) {
      if (event.kind != Kind::kHoldOver) continue;
      for (const auto& [name, value] : event.fields) {
        if (name == "lasted_s")
          texts.push_back(text_field(event, "hold") + " " + to_text(std::get<Duration>(value)));
      }
    }
    return texts;
  }
};

const char* const kBlockers =
    "rules: [ { name: r, match: { blocks_for: 10s }, escalate: [ cancel, terminate: { after: 30s } ] } ]";

Session waiter() {
  auto session = active(1, 0s);
  session.wait_event_type = "Lock";
  return session;
}

TEST(Holds, AReportedBeginningHasAReportedEnd) {
  Seer h;
  h.connect();
  h.see(3);
  EXPECT_THAT(h.told_kinds(), Contains("blind"));
  EXPECT_EQ(h.holds(), "3 sessions hidden");
  EXPECT_THAT(h.over(), ElementsAre());
  h.see(0);
  EXPECT_EQ(h.holds(), "");
  EXPECT_THAT(h.over(), ElementsAre("hidden 9s"));
}

TEST(Holds, ALostConnectionHidesThemButEndsNone) {
  Seer h;
  h.connect();
  h.see(3);
  const auto since = h.watch.status().holds.at(0).since;
  h.happen(happening::ConnectionLost{{"gone", {}, {}, {}}});
  EXPECT_EQ(h.holds(), "out of reach");
  h.now += 1min;
  h.connect();
  EXPECT_EQ(h.holds(), "clock not read yet, 3 sessions hidden");
  h.see(3);
  EXPECT_EQ(h.watch.status().holds.at(0).since, since);
  EXPECT_EQ(since, WallTime(std::chrono::days(20000)));
  h.see(0);
  EXPECT_THAT(h.over(), ElementsAre("hidden 1min 18s"));
}

TEST(Holds, OfAnotherServerAreForgotten) {
  Seer h;
  h.connect();
  h.see(3);
  h.postmaster_start = at(-1h);
  h.lose_and_connect();
  EXPECT_EQ(h.holds(), "clock not read yet");
  h.see(0);
  EXPECT_THAT(h.over(), ElementsAre());
}

TEST(Holds, AGrantedPrivilegeIsReportedAtTheNextConnection) {
  Seer h;
  h.happen(happening::Tick{});
  ServerFacts facts;
  facts.postmaster_start = h.postmaster_start;
  h.happen(happening::Connected{facts});
  h.lose_and_connect();
  EXPECT_THAT(h.over(), ElementsAre("no_pg_read_all_stats 1min", "no_pg_signal_backend 1min"));
}

TEST(Holds, WithoutPgReadAllStatsALookWithoutHiddenSessionsIsNoEnd) {
  Seer h;
  h.happen(happening::Tick{});
  ServerFacts facts;
  facts.postmaster_start = h.postmaster_start;
  h.happen(happening::Connected{facts});
  for (const std::size_t hidden : {2U, 0U, 2U, 0U}) h.see(hidden);
  const auto kinds = h.told_kinds();
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "blind"), 1);
  EXPECT_THAT(h.over(), ElementsAre());
}

TEST(Holds, FailedLockWaitsEndWhenTheyAreReadNotWhenNoSessionWaits) {
  Seer h(kBlockers);
  h.connect();
  h.see(0, {waiter()}, true);
  h.happen(happening::WaitsFailed{{"timeout", {}, {}, "57014"}});
  h.see(0, {waiter()}, true);
  h.see(0);
  EXPECT_EQ(h.holds(), "cannot read lock waits");
  EXPECT_THAT(h.over(), ElementsAre());
  h.see(0, {waiter()});
  EXPECT_EQ(h.holds(), "");
  EXPECT_THAT(h.over(), ElementsAre("waits_fail 27s"));
}

TEST(Holds, LockWaitsThatFailedOnlyOnceEndUnreported) {
  Seer h(kBlockers);
  h.connect();
  h.see(0, {waiter()}, true);
  h.see(0, {waiter()});
  EXPECT_EQ(h.holds(), "");
  EXPECT_THAT(h.over(), ElementsAre());
}

TEST(Holds, AReloadEndsThemOnlyIfNoRuleReadsLockWaitsAnyMore) {
  Seer h(kBlockers);
  h.connect();
  h.see(3, {waiter()}, true);
  h.happen(happening::WaitsFailed{{"timeout", {}, {}, "57014"}});
  h.happen(happening::PolicyReplaced{std::make_shared<const Policy>(policy_of(kBlockers))});
  EXPECT_EQ(h.holds(), "3 sessions hidden, cannot read lock waits");
  h.happen(happening::PolicyReplaced{std::make_shared<const Policy>(policy_of(kRules))});
  EXPECT_EQ(h.holds(), "3 sessions hidden");
  EXPECT_THAT(h.over(), ElementsAre("waits_fail 9s"));
}

TEST(Holds, GatesThatCanBeReadAgainAreReported) {
  Seer h;
  h.connect();
  h.happen(happening::GatesFailed{{"timeout", {}, {}, "57014"}});
  EXPECT_THAT(h.holds(), EndsWith("cannot read gates"));
  h.now += 2s;
  h.happen(happening::GatesRead{});
  EXPECT_THAT(h.over(), ElementsAre("gates_fail 2s"));
}

TEST(Holds, BreakersOfTenantsAreCounted) {
  Seer h;
  h.connect();
  std::vector<Session> sessions;
  for (int pid = 1; pid <= 20; ++pid) sessions.push_back(active(pid, -1min, pid <= 10 ? "app" : "etl"));
  h.look(sessions);
  EXPECT_EQ(h.holds(), "breaker open for 2 tenants");
}

TEST(Event, GetsItsIdServerAndTimesWhereItHappens) {
  Seer h;
  h.now = 5s;
  h.connect();
  h.see(3);
  ASSERT_GE(h.told.size(), 2U);
  const auto& up = h.told.front();
  const auto& blind = h.told.back();
  EXPECT_EQ(up.server, "s");
  EXPECT_EQ(up.wall_time, WallTime(std::chrono::days(20000) + 5s));
  EXPECT_EQ(up.server_time, std::nullopt) << "nobody has asked the clock yet";
  EXPECT_EQ(blind.server_time, at(5s));
  EXPECT_NE(up.id, blind.id);
  EXPECT_THAT(up.id, StartsWith("w."));
}

}  // namespace
}  // namespace pgcurfew::testing
