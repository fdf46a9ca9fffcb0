#include <gmock/gmock.h>

#include "watch/watch_harness.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(Watch, ReportsThatLockWaitsCannotBeReadAndGoesOn) {
  Harness h;
  h.connect();
  h.happen(happening::WaitsFailed{{"permission denied for function pg_blocking_pids", {}, {}, "42501"}});
  EXPECT_EQ(h.told.back().kind, Kind::kWaitsFailed);
  EXPECT_EQ(h.told.back().level, Level::kError);
  EXPECT_THAT(h.told.back().message, HasSubstr("permission denied for function pg_blocking_pids"));
  h.look({active(1, -30s)});
  EXPECT_EQ(h.orders.size(), 1U) << "rules about anything else act as ever";
}

TEST(Watch, ConnectsThenLooksAtOnce) {
  Harness h;
  EXPECT_TRUE(wants<command::Connect>(h.tick(0s)));
  EXPECT_FALSE(wants<command::Connect>(h.tick(1s))) << "one at a time";
  h.happen(happening::Connected{});
  EXPECT_EQ(h.look_number, 1U);
}

TEST(Watch, WakesAtTheDueMomentAndSignalsWithoutALook) {
  Harness h;
  h.connect();
  h.now = 1ms;
  h.look({active(1, -3s)});
  EXPECT_EQ(h.watch.status().next_due, MonotonicTime(7s));
  h.tick(6s);
  h.happen(happening::Pulsed{h.server_now()});
  EXPECT_EQ(h.watch.wake_at(), MonotonicTime(7s));
  h.tick(7s - 1us);
  EXPECT_THAT(h.orders, IsEmpty());
  const auto commands = h.tick(7s);
  EXPECT_TRUE(wants<command::Send>(commands));
  EXPECT_FALSE(wants<command::TakeLook>(commands));
}

TEST(Watch, TellsTheIntentBeforeItSends) {
  Harness h;
  h.connect();
  h.now = 1ms;
  h.look({active(1, -30s)});
  Harness other;
  other.connect();
  const auto commands = other.look({active(1, -30s)});
  std::size_t told = commands.size();
  std::size_t sent = commands.size();
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const auto* tell = std::get_if<command::Append>(&commands[i]);
    if (tell != nullptr && tell->event.kind == Kind::kIntent) told = i;
    if (std::holds_alternative<command::Send>(commands[i])) sent = i;
  }
  ASSERT_LT(sent, commands.size());
  EXPECT_LT(told, sent);
}

std::vector<std::string> lines_in(const std::vector<Command>& commands) {
  std::vector<std::string> lines;
  for (const auto& command : commands) {
    if (const auto* tell = std::get_if<command::TellServerLog>(&command)) lines.push_back(tell->line);
  }
  return lines;
}

constexpr const char* kToldToTheServer =
    "report: { server_log: true }\n"
    "rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ alert, cancel: { after: 0s } "
    "] "
    "} ]";

TEST(Watch, TellsTheServersLogOfEachSignalThatWasSent) {
  Harness h(kToldToTheServer);
  h.connect();
  h.look({active(1, -30s)});
  EXPECT_THAT(lines_in(h.reply(ReplyKind::kSignalled)), IsEmpty()) << "an alert";
  h.tick(h.now);
  const auto lines = lines_in(h.reply(ReplyKind::kSignalled));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0], "pgcurfew sent cancel to pid 1 app@app (rule r, decision " + h.orders.back().decision +
                          "): query_age 30.0s of limit 10s");
}

TEST(Watch, TellsTheServersLogOfNoSignalThatWasNotSent) {
  for (const auto kind : {ReplyKind::kMovedOn, ReplyKind::kDenied, ReplyKind::kFailed, ReplyKind::kEarly}) {
    Harness h(kToldToTheServer);
    h.connect();
    h.look({active(1, -30s)});
    h.reply(ReplyKind::kSignalled);
    h.tick(h.now);
    EXPECT_THAT(lines_in(h.reply(kind)), IsEmpty()) << name_of(kind);
  }
  Harness h;
  h.connect();
  h.look({active(1, -30s)});
  EXPECT_THAT(lines_in(h.reply(ReplyKind::kSignalled)), IsEmpty()) << "report does not ask for it";
}

TEST(Watch, LeavesTheServersLogAloneForAWhileAfterAFailure) {
  Harness h(kToldToTheServer);
  h.connect();
  h.look({active(1, -30s)});
  h.reply(ReplyKind::kSignalled);
  h.tick(h.now);
  Error error;
  error.message = "canceling statement due to lock timeout";
  h.happen(happening::ServerLogFailed{error});
  h.happen(happening::ServerLogFailed{error});
  const auto told = std::count_if(h.told.begin(), h.told.end(),
                                  [](const Event& event) { return event.kind == Kind::kServerLogFailed; });
  EXPECT_EQ(told, 1);
  EXPECT_THAT(lines_in(h.reply(ReplyKind::kSignalled)), IsEmpty());
  h.happen(happening::ConnectionLost{});
  h.now += Watch::kServerLogPause;
  h.connect();
  h.look({active(2, -100s)});
  h.reply(ReplyKind::kSignalled);
  h.tick(h.now);
  EXPECT_EQ(lines_in(h.reply(ReplyKind::kSignalled)).size(), 1U);
}

TEST(Watch, OrdersThatAreDueTogetherLeaveTogether) {
  Harness h;
  h.connect();
  const auto commands = h.look({active(1, -30s), active(2, -40s)});
  const auto sends = std::count_if(commands.begin(), commands.end(), [](const Command& command) {
    return std::holds_alternative<command::Send>(command);
  });
  EXPECT_EQ(sends, 1);
  EXPECT_EQ(h.orders.size(), 2U);
}

TEST(Watch, LooksOnlyAsOftenAsTheLimitDemandsWhileNothingIsDue) {
  Harness h("rules: [ { name: r, match: { state: active, query_age: 10min }, escalate: [cancel] } ]");
  h.connect();
  int looks = 1;
  int steps = 0;
  h.look({});
  while (h.now < Duration(1h)) {
    ASSERT_LT(++steps, 2000) << "a busy loop";
    const auto wake = h.watch.wake_at();
    ASSERT_TRUE(wake.has_value());
    const auto commands = h.tick(wake->time_since_epoch());
    if (wants<command::TakePulse>(commands)) h.happen(happening::Pulsed{h.server_now()});
    if (wants<command::TakeLook>(commands)) {
      ++looks;
      h.look({});
    }
  }
  EXPECT_LE(looks, 8) << "an hour has seven intervals of nine minutes";
  EXPECT_GE(looks, 7);
}

TEST(Watch, LooksForTheEffectSoonAfterASignal) {
  Harness h;
  h.connect();
  h.look({active(1, -30s)});
  h.now = 1ms;
  h.reply(ReplyKind::kSignalled);
  ASSERT_TRUE(h.watch.wake_at().has_value());
  EXPECT_LE(*h.watch.wake_at(), MonotonicTime(300ms));
  EXPECT_TRUE(wants<command::TakeLook>(h.tick(300ms)));
}

TEST(Watch, AMissingReplyEndsTheConnectionAndIsUnknown) {
  Harness h;
  h.connect();
  h.look({active(1, -30s)});
  ASSERT_EQ(h.orders.size(), 1U);
  EXPECT_EQ(h.watch.wake_at(), MonotonicTime(Watch::kReplyDeadline));
  EXPECT_TRUE(wants<command::Disconnect>(h.tick(Watch::kReplyDeadline)));
  EXPECT_THAT(h.told_kinds(), Contains("server_down"));
  EXPECT_EQ(text_field(h.told.back(), "outcome"), "unknown");
}

TEST(Watch, AMissingLookEndsTheConnection) {
  Harness h;
  h.connect();
  EXPECT_TRUE(wants<command::Disconnect>(h.tick(Watch::kReplyDeadline)));
}

TEST(Watch, AConnectionThatIsNotMadeInTimeIsGivenUp) {
  Harness h;
  h.tick(0s);
  EXPECT_FALSE(wants<command::Disconnect>(h.tick(Watch::kConnectDeadline - 1us)));
  EXPECT_TRUE(wants<command::Disconnect>(h.tick(Watch::kConnectDeadline)));
}

TEST(Watch, ComesBackWithGrowingBoundedJitteredPauses) {
  Harness h;
  Duration longest = 0s;
  for (int i = 0; i < 30; ++i) {
    h.tick(h.watch.wake_at() ? h.watch.wake_at()->time_since_epoch() : h.now);
    const auto before = h.now;
    h.happen(happening::ConnectionLost{{"refused", {}, {}, {}}});
    const auto wait = h.watch.wake_at()->time_since_epoch() - before;
    EXPECT_GE(wait, Duration(250ms));
    EXPECT_LE(wait, Watch::kLongestBackOff);
    longest = std::max(longest, Duration(wait));
  }
  EXPECT_GE(longest, Watch::kLongestBackOff / 2);
}

TEST(Watch, NothingIsOrderedFromALookOfAnEarlierConnection) {
  Harness h;
  h.connect();
  h.now = 1ms;
  h.look({active(1, -3s)});
  h.now = 2s;
  h.happen(happening::ConnectionLost{{"gone", {}, {}, {}}});
  h.now = 20s;
  h.connect();
  EXPECT_THAT(h.orders, IsEmpty());
  h.look({active(1, 15s)});
  EXPECT_THAT(h.orders, IsEmpty());
}

TEST(Watch, NothingIsOrderedFromALookOfAnEarlierPolicy) {
  Harness h;
  h.connect();
  h.now = 1ms;
  h.look({active(1, -3s)});
  h.now = 8s;
  h.happen(happening::PolicyReplaced{std::make_shared<const Policy>(
      policy_of("rules: [ { name: r, match: { user: eve, query_age: 10s }, escalate: [ cancel ] } ]"))});
  EXPECT_THAT(h.orders, IsEmpty());
  h.look({active(1, -3s)});
  EXPECT_THAT(h.orders, IsEmpty());
}

TEST(Watch, ALookThatAnEarlierPolicyRequestedIsTakenAgain) {
  Harness h;
  h.connect();
  h.happen(happening::PolicyReplaced{std::make_shared<const Policy>(
      policy_of("rules: [ { name: r, match: { query: evil, query_age: 1s }, escalate: [ terminate ] } ]"))});
  const auto commands = h.look({active(1, -30s)});
  EXPECT_THAT(h.orders, IsEmpty());
  ASSERT_TRUE(wants<command::TakeLook>(commands));
}

TEST(Watch, AClockThatJumpedStopsAllSignalsUntilTwoLooksAgree) {
  Harness h("rules: [ { name: r, match: { state: active, query_age: 1h }, escalate: [ cancel ] } ]");
  h.connect();
  h.look({active(1, -1min)});
  h.tick(30s);
  h.skew = 2h;
  h.happen(happening::Pulsed{h.server_now()});
  EXPECT_THAT(h.told_kinds(), Contains("clock_jump"));
  h.tick(31s);
  h.look({active(1, -1min)});
  EXPECT_THAT(h.orders, IsEmpty());
  h.tick(32s);
  h.look({active(1, -1min)});
  EXPECT_THAT(h.told_kinds(), Contains("clock_trusted"));
}

TEST(Watch, AClockThatWasSetForwardMakesNoSessionDueEarly) {
  Harness h;
  h.connect();
  h.now = 1ms;
  h.look({active(1, 0s)});
  h.now = 1s;
  h.skew = 1h;
  for (h.now = 2s; h.now < Duration(10s); h.tick(h.now + 500ms)) {
    h.look({active(1, 0s)});
    ASSERT_THAT(h.orders, IsEmpty()) << "an hour old by that clock, and " << h.now.count() << " us in truth";
  }
  for (; h.now < Duration(12s); h.tick(h.now + 100ms)) h.look({active(1, 0s)});
  EXPECT_EQ(h.orders.size(), 1U);
}

TEST(Watch, AClockThatWasSetForwardWhileTheConnectionWasLostIsNoticed) {
  Harness h;
  h.connect();
  h.now = 1ms;
  h.look({active(1, 0s)});
  h.happen(happening::ConnectionLost{{"gone", {}, {}, {}}});
  h.skew = 1h;
  h.now = 3s;
  h.connect();
  h.look({active(1, 0s)});
  EXPECT_THAT(h.told_kinds(), Contains("clock_jump"));
  EXPECT_THAT(h.orders, IsEmpty());
}

TEST(Watch, ARestartedServerStartsWithAnEmptyLedger) {
  Harness h;
  h.connect();
  h.look({active(1, -30s)});
  h.reply(ReplyKind::kSignalled);
  h.happen(happening::ConnectionLost{{"gone", {}, {}, {}}});
  h.now = 1min;
  h.postmaster_start = at(50s);
  h.connect();
  EXPECT_TRUE(h.watch.ledger().episodes.empty());
  const auto& told = h.told;
  EXPECT_EQ(text_field(told.at(told.size() - 3), "effect"), "unseen") << "and claims no success";
  EXPECT_EQ(text_field(told.at(told.size() - 2), "end"), "connection_lost");
}

TEST(Watch, ADeniedSessionIsAskedAgainOverAnotherConnection) {
  Harness h;
  h.connect();
  h.look({active(1, -30s)});
  h.reply(ReplyKind::kDenied);
  h.tick(1s);
  h.look({active(1, -30s)});
  EXPECT_EQ(h.orders.size(), 1U) << "once over each";
  h.happen(happening::ConnectionLost{{"gone", {}, {}, {}}});
  h.now = 1min;
  h.connect();
  h.look({active(1, -30s)});
  EXPECT_EQ(h.orders.size(), 2U) << "the right may have been granted meanwhile";
}

TEST(Watch, MissingPrivilegesAreReportedAtOnceAndInTheStatus) {
  Harness h;
  h.happen(happening::Tick{});
  h.happen(happening::Connected{});
  EXPECT_THAT(h.told_kinds(), Contains("privilege_missing").Times(2));
  EXPECT_EQ(h.holds(), "clock not read yet, lacks pg_read_all_stats, lacks pg_signal_backend");
}

TEST(Watch, ADryRunReportsWhatTheServerWouldDeny) {
  Harness h(
      "rules: [ { name: r, mode: dry-run, match: { state: active, query_age: 10s }, escalate: [ cancel ] } "
      "]");
  h.connect();
  auto superusers = active(1, -30s);
  superusers.is_beyond_us = true;
  h.look({superusers});
  h.reply(ReplyKind::kSignalled);
  const auto& outcome = h.told.at(h.told.size() - 2);
  EXPECT_EQ(text_field(outcome, "outcome"), "denied");
  EXPECT_EQ(text_field(outcome, "detail"),
            "Our role is a member of neither pg_signal_backend nor the session's role.");
}

TEST(Watch, RepliesAreDecidedUponAtAnImmediateWakeUp) {
  Harness h(
      "rules: [ { name: r, match: { state: active, query_age: 10s }, escalate: [ alert, cancel: { after: 0s "
      "} ] } ]");
  h.connect();
  h.look({active(1, -30s)});
  EXPECT_FALSE(wants<command::Send>(h.reply(ReplyKind::kSignalled)));
  EXPECT_EQ(h.watch.wake_at(), MonotonicTime(h.now));
  EXPECT_TRUE(wants<command::Send>(h.tick(h.now)));
}

TEST(Watch, ALongGraceCostsNoLooksBeyondWhatTheLimitDemands) {
  Harness h(
      "rules: [ { name: r, match: { state: active, query_age: 1h }, "
      "escalate: [ cancel, terminate: { after: 2h } ] } ]");
  h.connect();
  h.look({active(1, -2h)});
  h.reply(ReplyKind::kSignalled);
  int looks = 0;
  while (h.now < Duration(100min)) {
    const auto commands = h.tick(h.watch.wake_at()->time_since_epoch());
    if (wants<command::TakePulse>(commands)) h.happen(happening::Pulsed{h.server_now()});
    if (!wants<command::TakeLook>(commands)) continue;
    ++looks;
    h.look({active(1, -2h)});
  }
  EXPECT_LE(looks, 8);
}

TEST(Watch, AFailedPulseIsReportedAndNotRepeatedAtOnce) {
  Harness h;
  h.connect();
  h.now = 1ms;
  h.look({active(1, -3s)});
  EXPECT_TRUE(wants<command::TakePulse>(h.tick(6s)));
  EXPECT_FALSE(wants<command::TakePulse>(h.happen(happening::PulseFailed{{"canceled", {}, {}, "57014"}})));
  EXPECT_THAT(h.told_kinds(), Contains("pulse_failed"));
  EXPECT_FALSE(wants<command::Disconnect>(h.tick(7s - 1us)));
}

TEST(Watch, AWatchThatCannotLookShowsThisInItsStatus) {
  Harness h;
  h.connect();
  EXPECT_EQ(h.holds(), "clock not read yet");
  h.happen(happening::LookFailed{{"permission denied", {}, {}, "42501"}});
  EXPECT_EQ(h.holds(), "clock not read yet, cannot look");
  h.tick(1s);
  h.look({});
  EXPECT_EQ(h.holds(), "");
}

TEST(Watch, StopsOnlyWhenOrdersInFlightAreSettledAndOrdersNothingMore) {
  Harness h;
  h.connect();
  h.look({active(1, -30s), active(2, 0s)});
  ASSERT_EQ(h.orders.size(), 1U);
  h.happen(happening::StopAsked{});
  EXPECT_FALSE(h.watch.is_stopped());
  h.tick(15s - 12s);
  h.reply(ReplyKind::kSignalled);
  EXPECT_TRUE(h.watch.is_stopped());
  EXPECT_EQ(h.orders.size(), 1U);
}

TEST(Watch, LooksAgainBeforeItSignalsOnWhatOnlyALookCanShow) {
  Harness h(
      "rules: [ { name: r, match: { state: active, query_age: 10s }, when: { connections_used: 50% }, "
      "escalate: [ cancel ] } ]");
  h.connection_slots = 1;
  h.connect();
  h.now = 1ms;
  h.look({active(1, -3s)});
  const auto at_due = h.tick(7s + 1ms);
  EXPECT_TRUE(wants<command::TakeLook>(at_due));
  EXPECT_FALSE(wants<command::Send>(at_due));
  h.now = 7s + 3ms;
  EXPECT_TRUE(wants<command::Send>(h.look({active(1, -3s)})));
}

TEST(Watch, SignalsOnALookThatTookLongToComeBecauseNoneIsFresher) {
  Harness h(
      "rules: [ { name: r, match: { state: active, query_age: 10s }, keep: 1, escalate: [ cancel ] } ]");
  h.connect();
  h.now = 1ms;
  h.look({});
  h.tick(std::chrono::floor<Duration>(h.watch.wake_at()->time_since_epoch()));
  Look seen;
  seen.number = h.look_number;
  seen.taken_at = h.server_now();
  seen.sessions = {active(1, -21s), active(2, -20s)};
  h.now += 1200ms;
  h.happen(happening::LookTaken{seen});
  EXPECT_THAT(pids_of(h.orders), ::testing::ElementsAre(1));
  h.reply(ReplyKind::kEarly);
  h.orders.clear();
  h.tick(h.now + 1001ms);
  EXPECT_THAT(h.orders, IsEmpty()) << "it is older now than it has to be";
}

TEST(Watch, ReportsAPreparedTransactionThatBlocksSessionsOnce) {
  Harness h("rules: [ { name: r, match: { blocks: 1, blocks_for: 5s }, escalate: [ terminate ] } ]");
  h.connect();
  const auto look = [&](Duration time, bool waits_failed = false) {
    h.now = time;
    Look seen;
    seen.sessions = {waiting(2, 0s)};
    seen.waits_failed = waits_failed;
    if (!waits_failed) {
      seen.waits = {wait_of(seen.sessions[0], {0}, 0s)};
      seen.waits[0].prepared = {"gid\n1"};
    }
    h.take(std::move(seen));
    h.tick(time + 10s);
  };
  look(1s);
  EXPECT_THAT(h.told_kinds(), Not(Contains("prepared_transaction")))
      << "not yet for as long as the rule lets wait";
  look(12s);
  look(30s, true);
  EXPECT_EQ(h.holds(), "cannot read lock waits");
  look(45s);
  EXPECT_EQ(h.holds(), "");
  const auto kinds = h.told_kinds();
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "prepared_transaction"), 1);
  EXPECT_THAT(h.orders, IsEmpty());
}

TEST(Watch, ReportsOnceThatAStandbyWasPromoted) {
  Harness h;
  h.connect();
  const auto look = [&](Duration time, bool in_recovery) {
    h.tick(time);
    Look seen;
    seen.in_recovery = in_recovery;
    h.take(std::move(seen));
  };
  look(1s, false);
  EXPECT_THAT(h.told_kinds(), Not(Contains("promoted"))) << "it was no standby";
  look(11s, true);
  look(21s, false);
  look(31s, false);
  const auto kinds = h.told_kinds();
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "promoted"), 1);
}

}  // namespace
}  // namespace pgcurfew::testing
