#include <gtest/gtest.h>

#include "events/fields.hpp"
#include "watch/watch_harness.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

const Error kNoSpace{"no space", {}, {}, {}};

Policy required_policy() {
  auto policy = policy_of(kRules);
  policy.record.is_required = true;
  return policy;
}

/// A watch that has just given an order whose intent is not in the record.
struct Waiting : Harness {
  explicit Waiting(Policy policy = policy_of(kRules)) : Harness(std::move(policy)) {
    connect();
    look({});
    record_stands_still = true;
    now = 1ms;
    happen(happening::Tick{});
    take_next_look();
    look({active(1, -30s)});
  }
  void take_next_look() { tick(9s); }
  std::vector<Command> append_all() { return happen(happening::Appended{told.size()}); }
  [[nodiscard]] std::size_t count(Kind kind) const {
    return static_cast<std::size_t>(
        std::count_if(told.begin(), told.end(), [&](const Event& event) { return event.kind == kind; }));
  }
};

TEST(WatchRecord, ASignalLeavesOnceItsIntentIsThere) {
  Waiting w;
  EXPECT_EQ(w.count(Kind::kIntent), 1U);
  EXPECT_TRUE(w.orders.empty());
  w.tick(w.now + 5ms);
  EXPECT_TRUE(w.orders.empty());
  EXPECT_TRUE(wants<command::Send>(w.append_all()));
  EXPECT_EQ(w.count(Kind::kIntentLate), 0U);
  EXPECT_EQ(w.watch.status().signals_late, 0U);
}

TEST(WatchRecord, AnEarlierEventIsNotEnough) {
  Waiting w;
  std::size_t intent = 0;
  while (w.told[intent].kind != Kind::kIntent) ++intent;
  EXPECT_FALSE(wants<command::Send>(w.happen(happening::Appended{intent})));
  EXPECT_TRUE(w.orders.empty());
}

TEST(WatchRecord, AfterTenMillisecondsItLeavesWithoutAndIsMarked) {
  Waiting w;
  const auto begun = w.now;
  ASSERT_TRUE(w.watch.wake_at());
  EXPECT_EQ(*w.watch.wake_at(), MonotonicTime(begun + 10ms));
  w.tick(begun + 9ms);
  EXPECT_TRUE(w.orders.empty());
  w.tick(begun + 10ms);
  ASSERT_EQ(w.orders.size(), 1U);
  ASSERT_EQ(w.count(Kind::kIntentLate), 1U);
  const auto late = std::find_if(w.told.begin(), w.told.end(),
                                 [](const Event& event) { return event.kind == Kind::kIntentLate; });
  EXPECT_EQ(late->level, Level::kWarning);
  EXPECT_EQ(std::get<std::string>(late->fields.front().second), w.orders.front().decision);
  EXPECT_EQ(w.watch.status().signals_late, 1U);
  EXPECT_EQ(w.holds(), "");
}

TEST(WatchRecord, ARecordThatFailsHoldsUpNobody) {
  Waiting w;
  w.happen(happening::AppendFailed{kNoSpace});
  EXPECT_EQ(w.orders.size(), 1U);
  EXPECT_EQ(w.count(Kind::kIntentLate), 1U);
  EXPECT_EQ(w.holds(), "cannot write the record (no space)");
  w.append_all();
  EXPECT_EQ(w.holds(), "cannot write the record (no space)");
  w.happen(happening::AppendsAgain{});
  EXPECT_EQ(w.holds(), "");
}

TEST(WatchRecord, ARecordThatFailsIsAHoldThoughNothingWaits) {
  for (const bool is_required : {false, true}) {
    Harness h(is_required ? required_policy() : policy_of(kRules));
    h.connect();
    h.look({});
    h.happen(happening::AppendFailed{kNoSpace});
    EXPECT_EQ(h.holds(),
              fmt::format("cannot write the record (no space){}", is_required ? "; it is required" : ""));
    h.tick(9s);
    h.look({active(1, -30s)});
    EXPECT_EQ(h.orders.empty(), is_required);
    h.happen(happening::AppendsAgain{});
    EXPECT_EQ(h.holds(), "");
    h.tick(h.now + 1ms);
    EXPECT_EQ(h.orders.size(), 1U);
  }
}

TEST(WatchRecord, WhileItFailsOrdersDoNotWaitAtAll) {
  Waiting w;
  w.happen(happening::AppendFailed{kNoSpace});
  w.reply(ReplyKind::kSignalled);
  w.tick(w.now + 250ms);
  w.look({active(1, -30s), active(2, -40s)});
  EXPECT_EQ(w.orders.size(), 2U);
  EXPECT_EQ(w.count(Kind::kIntentLate), 2U);
}

TEST(WatchRecord, AStandstillCostsOneOrderItsWait) {
  Waiting w;
  w.tick(w.now + 10ms);
  w.reply(ReplyKind::kSignalled);
  w.tick(w.now + 250ms);
  w.look({active(1, -30s), active(2, -40s)});
  EXPECT_EQ(w.orders.size(), 2U);
  EXPECT_EQ(w.count(Kind::kIntentLate), 2U);
  // the next one waits again once the record answers, though only to an earlier event
  w.happen(happening::Appended{1});
  w.reply(ReplyKind::kSignalled);
  w.tick(w.now + 250ms);
  w.look({active(1, -30s), active(2, -40s), active(3, -50s)});
  EXPECT_EQ(w.orders.size(), 2U);
  w.tick(w.now + 10ms);
  EXPECT_EQ(w.orders.size(), 3U);
}

TEST(WatchRecord, AStandstillBeforeTheRecordIsRequiredShortensNothing) {
  Waiting w;
  w.tick(w.now + 10ms);
  w.reply(ReplyKind::kSignalled);
  w.happen(happening::PolicyReplaced{std::make_shared<const Policy>(required_policy())});
  w.tick(w.now + 250ms);
  w.look({active(2, -40s)});
  w.tick(w.now + 1s);
  EXPECT_EQ(w.orders.size(), 1U);
  EXPECT_TRUE(wants<command::Send>(w.append_all()));
}

TEST(WatchRecord, ADryRunIsNotMarkedLate) {
  auto policy = policy_of(kRules);
  policy.mode = Mode::kDryRun;
  for (auto& rule : policy.rules) rule.mode = Mode::kDryRun;
  Waiting w(policy);
  w.tick(w.now + 10ms);
  EXPECT_EQ(w.orders.size(), 1U);
  EXPECT_EQ(w.count(Kind::kIntentLate), 0U);
}

TEST(WatchRecord, RequiredASignalWaitsForLonger) {
  Waiting w(required_policy());
  w.tick(w.now + 1s);
  EXPECT_TRUE(w.orders.empty());
  EXPECT_TRUE(wants<command::Send>(w.append_all()));
}

TEST(WatchRecord, RequiredASignalIsNotSentWithoutItsIntent) {
  Waiting w(required_policy());
  w.tick(w.now + 2s);
  EXPECT_TRUE(w.orders.empty());
  EXPECT_EQ(w.count(Kind::kOutcome), 1U);
  EXPECT_EQ(w.told.back().kind, Kind::kOutcome);
  EXPECT_EQ(w.holds(), "no answer from the record within 2s; it is required");
  // nothing else is ordered until all of it is in the record
  w.tick(w.now + 9s);
  w.look({active(1, -30s), active(2, -40s)});
  EXPECT_EQ(w.count(Kind::kIntent), 1U);
  w.append_all();
  EXPECT_EQ(w.holds(), "");
  w.tick(w.now + 10ms);
  EXPECT_EQ(w.count(Kind::kIntent), 3U);
  w.append_all();
  EXPECT_EQ(w.orders.size(), 2U);
}

TEST(WatchRecord, RequiredAFailureEndsTheWaitAtOnce) {
  Waiting w(required_policy());
  w.happen(happening::AppendFailed{kNoSpace});
  EXPECT_TRUE(w.orders.empty());
  EXPECT_EQ(w.count(Kind::kOutcome), 1U);
  EXPECT_EQ(w.watch.status().signals_late, 0U);
}

TEST(WatchRecord, ALostConnectionTakesWaitingOrdersWithIt) {
  Waiting w;
  w.happen(happening::ConnectionLost{kNoSpace});
  EXPECT_EQ(w.count(Kind::kOutcome), 1U);
  w.append_all();
  w.tick(w.now + 20ms);
  EXPECT_TRUE(w.orders.empty());
}

TEST(WatchRecord, AStopTakesWaitingOrdersBack) {
  Waiting w;
  w.happen(happening::StopAsked{});
  EXPECT_EQ(w.count(Kind::kOutcome), 1U);
  EXPECT_EQ(w.count(Kind::kEnded), 1U);
  EXPECT_TRUE(w.watch.is_stopped());
  w.append_all();
  EXPECT_TRUE(w.orders.empty());
}

TEST(WatchRecord, AReloadTakesWaitingOrdersBack) {
  Waiting w;
  w.happen(happening::PolicyReplaced{std::make_shared<const Policy>(policy_of(kRules))});
  w.append_all();
  EXPECT_TRUE(w.orders.empty());
  w.look({active(1, -30s)});
  w.tick(w.now + 10ms);
  w.append_all();
  EXPECT_EQ(w.orders.size(), 1U);
}

/// Law 11: between two signals to a session there is a look that was requested after the first.
TEST(WatchRecord, ALookWhileAnOrderWaitsPermitsNoOther) {
  auto policy = policy_of(
      "rules: [ { name: r, match: { state: active, query_age: 1s }, escalate: [ cancel ] }, "
      "{ name: s, match: { state: active, query_age: 40s }, escalate: [ terminate ] } ]");
  policy.record.is_required = true;
  Waiting w(policy);
  EXPECT_EQ(w.count(Kind::kIntent), 1U);
  // at 10 s the session is due by the other rule, too, and a look comes meanwhile
  while (w.now < 9900ms) w.tick(w.now + 50ms);
  w.tick(w.now + 50ms);
  w.look({active(1, -30s)});
  w.tick(10100ms);
  w.tick(10200ms);
  EXPECT_EQ(w.count(Kind::kIntent), 1U);
  w.append_all();
  EXPECT_EQ(w.orders.size(), 1U);
}

}  // namespace
}  // namespace pgcurfew::testing
