// The log says why: each fact that a decision relies on, in the message and in fields.

#include "engine/narrate.hpp"

#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/duration.hpp"
#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;

std::string rule_with(const std::string& match, const std::string& keys,
                      const std::string& escalate = "[ cancel ]") {
  return "safety: { share: 100%, signals: 1000 per 1s }\n"
         "rules: [ { name: r, match: { " +
         match + " }, " + keys + (keys.empty() ? "" : ", ") + "escalate: " + escalate + " } ]";
}

/// A field's value, as the log's text has it; "" if there is none.
std::string field(const Event& event, const std::string& name) {
  for (const auto& [key, value] : event.fields) {
    if (key != name) continue;
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
    if (const auto* part = std::get_if<double>(&value)) return fmt::format("{}", *part);
    if (const auto* time = std::get_if<ServerTime>(&value)) return to_text(*time);
    if (const auto* duration = std::get_if<Duration>(&value)) return to_text(*duration);
    return "?";
  }
  return {};
}

Event first_intent(Desk& desk, Duration now) {
  for (auto& event : desk.decide_at(now).events) {
    if (event.kind == Kind::kIntent) return event;
  }
  ADD_FAILURE() << "no intent";
  return Event(Kind::kIntent);
}

TEST(Intent, SaysOfKeepHowManyThereAreAndWhatTheyHaveInCommon) {
  Desk desk(rule_with("state: active, query_age: 10s", "keep: 2, per: [ user, application_name ]"));
  desk.look({active(1, 0s), active(2, 1s), active(3, 2s), active(4, 3s, "etl")}, 20s);
  const auto intent = first_intent(desk, 20s);
  EXPECT_EQ(intent.message,
            "about to cancel pid 1 app@app (rule r): one of 3 of user app, application_name psql that are "
            "due, keep is 2, "
            "query_age 20.0s of limit 10s");
  EXPECT_EQ(field(intent, "group"), "user app, application_name psql");
  EXPECT_EQ(field(intent, "group_size"), "3");
  EXPECT_EQ(field(intent, "keep"), "2");
}

TEST(Intent, SaysOfWhenWhatTheServerIs) {
  Desk desk(rule_with("state: active, query_age: 10s", "when: { connections_used: 50%, role: primary }"));
  desk.seen.connection_slots = 3;
  desk.look({active(1, 0s), active(2, 1s)}, 10s);
  const auto intent = first_intent(desk, 10s);
  EXPECT_EQ(intent.message,
            "about to cancel pid 1 app@app (rule r): connections_used 66.7%, on a primary, query_age 10.0s "
            "of limit 10s");
  EXPECT_EQ(field(intent, "connections_used"), "0.667");
  EXPECT_EQ(field(intent, "server_role"), "primary");
}

TEST(Intent, SaysOfHoursUntilWhenTheyAre) {
  Desk desk(rule_with("state: active, query_age: 10s", "during: { to: \"18:00\", timezone: UTC }"));
  desk.look({active(1, 0s)}, 10s);
  const auto intent = first_intent(desk, 10s);
  EXPECT_THAT(intent.message, ::testing::HasSubstr(": within its hours, query_age"));
  EXPECT_EQ(field(intent, "open_until"), to_text(at(18h)));
}

TEST(Intent, SaysOfRepeatHowOftenItHasActed) {
  Desk desk(
      rule_with("state: active, query_age: 10s", "repeat: { times: 2, within: 10min, then: terminate }"));
  desk.look({active(1, 0s)}, 10s);
  const auto first = desk.decide_at(10s);
  EXPECT_EQ(field(first.events.at(0), "repeated"), "0");
  EXPECT_THAT(first.events.at(0).message, EndsWith("pid 1 app@app (rule r): query_age 10.0s of limit 10s"));
  desk.reply(first.orders.at(0), ReplyKind::kSignalled, 10s);
  desk.look({active(1, 20s)}, 30s);
  const auto second = first_intent(desk, 30s);
  EXPECT_EQ(field(second, "repeated"), "1");
  EXPECT_EQ(second.message,
            "about to cancel pid 1 app@app (rule r): has acted 1 time within 10min on user app, query_age "
            "10.0s of limit 10s");
}

TEST(Intent, OfARuleWithoutAnAgeNamesNoClock) {
  Desk desk(rule_with("user: app", ""));
  desk.look({active(1, 0s)}, 10s);
  const auto decision = desk.decide_at(10s);
  const auto outcome = desk.reply(decision.orders.at(0), ReplyKind::kSignalled, 10s).at(0);
  EXPECT_EQ(decision.events.at(0).message, "about to cancel pid 1 app@app (rule r): it matches");
  for (const auto* name : {"clock", "age_s", "limit_s"}) {
    EXPECT_EQ(field(decision.events.at(0), name), "");
    EXPECT_EQ(field(outcome, name), "");
  }
}

TEST(Intent, NamesTheWaitersAgeAfterItsPlaceInTheRule) {
  Desk desk(rule_with("blocks: { user: migrator, blocked_for: 5s }", "", "[ terminate ]"));
  const auto waiter = waiting(2, 1s, "migrator");
  desk.look({idle_in_transaction(1, 0s), waiter}, 10s, {wait_of(waiter, {1}, 1s)});
  const auto intent = first_intent(desk, 10s);
  EXPECT_EQ(
      intent.message,
      "about to terminate pid 1 app@app (rule r): blocks 1 session, blocks.blocked_for 9.0s of limit 5s");
  EXPECT_EQ(field(intent, "clock"), "blocks.blocked_for");
}

TEST(Intent, NamesTheRulesOwnAgeWhereThatIsReachedLast) {
  Desk desk(rule_with("blocks: { blocked_for: 5s }, blocks_for: 8s", "", "[ terminate ]"));
  const auto waiter = waiting(2, 1s);
  desk.look({idle_in_transaction(1, 0s), waiter}, 10s, {wait_of(waiter, {1}, 1s)});
  EXPECT_EQ(field(first_intent(desk, 10s), "clock"), "blocks_for");
}

TEST(Intent, NamesTheOneThatHasWaitedLongest) {
  Desk desk(rule_with("blocks: { blocked_for: 5s }", "", "[ terminate ]"));
  auto first = waiting(2, 1s, "migrator");
  first.application_name = "flyway";
  const auto second = waiting(3, 2s);
  desk.look({idle_in_transaction(1, 0s), second, first}, 10s,
            {wait_of(second, {1}, 2s), wait_of(first, {1}, 1s)});
  const auto intent = first_intent(desk, 10s);
  EXPECT_EQ(field(intent, "blocks"), "2");
  EXPECT_EQ(field(intent, "longest_waiter"), "2");
  EXPECT_EQ(field(intent, "longest_waiter_user"), "migrator");
  EXPECT_EQ(field(intent, "longest_waiter_application_name"), "flyway");
}

TEST(Intent, SaysHowLongTheNextStepWaitsUnlessItIsTheLast) {
  Desk desk(rule_with("state: active, query_age: 10s", "mode: dry-run",
                      "[ alert, cancel: { after: 2s }, terminate: { after: 30s } ]"));
  std::vector<std::string> waits;
  for (const auto now : {10s, 12s, 42s}) {
    desk.look({active(1, 0s)}, now);
    const auto decision = desk.decide_at(now);
    ASSERT_EQ(decision.orders.size(), 1U) << now.count();
    waits.push_back(field(decision.events.at(0), "next_after_s"));
    desk.reply(decision.orders.at(0), ReplyKind::kSignalled, now);
  }
  EXPECT_THAT(waits, ElementsAre("2s", "30s", ""));
}

TEST(Outcome, IsCalledWhatItIsWhereNoSignalWasAskedFor) {
  Desk desk(rule_with("state: active, query_age: 10s", "", "[ alert, cancel ]"));
  desk.look({active(1, 0s)}, 10s);
  const auto alert = desk.decide_at(10s).orders.at(0);
  EXPECT_EQ(field(desk.reply(alert, ReplyKind::kSignalled, 10s).at(0), "outcome"), "alerted");
  desk.look({active(1, 0s)}, 50s);
  const auto cancel = desk.decide_at(50s).orders.at(0);
  EXPECT_EQ(outcome_of(cancel, ReplyKind::kSignalled), "signalled");
  EXPECT_EQ(outcome_of(cancel, ReplyKind::kMovedOn), "moved_on");
  auto dry = cancel;
  dry.action = Action::kNothing;
  dry.mode = Mode::kDryRun;
  EXPECT_EQ(outcome_of(dry, ReplyKind::kSignalled), "would_signal");
}

TEST(SkippedCancel, IsToldOnceAndTheNextStepSaysSo) {
  Desk desk(rule_with("transaction_age: 10s", "", "[ cancel, terminate: { after: 30s } ]"));
  desk.look({idle_in_transaction(1, 2s)}, 5s);
  EXPECT_THAT(desk.decide_at(5s).events, IsEmpty()) << "not due yet";
  desk.look({idle_in_transaction(1, 2s)}, 15s);
  const auto told = desk.decide_at(15s).events;
  ASSERT_THAT(kinds_of(told), ElementsAre("skipped"));
  EXPECT_EQ(told[0].message,
            "cancel of rule r is skipped for pid 1 app@app: it cannot affect a session in state idle in "
            "transaction");
  EXPECT_THAT(desk.decide_at(16s).events, IsEmpty());
  desk.look({idle_in_transaction(1, 2s)}, 20s);
  EXPECT_THAT(desk.decide_at(20s).events, IsEmpty()) << "another look is no news";
  desk.look({idle_in_transaction(1, 2s)}, 45s);
  const auto intent = first_intent(desk, 45s);
  EXPECT_EQ(field(intent, "skipped"), "cancel");
  EXPECT_EQ(intent.message,
            "about to terminate pid 1 app@app (rule r): a cancel could not affect it, transaction_age 45.0s "
            "of limit 10s");
}

TEST(SkippedCancel, IsToldWhereNothingFollowsToo) {
  Desk desk(rule_with("transaction_age: 10s", ""));
  desk.look({idle_in_transaction(1, 2s)}, 15s);
  const auto decision = desk.decide_at(15s);
  EXPECT_THAT(decision.orders, IsEmpty());
  EXPECT_THAT(kinds_of(decision.events), ElementsAre("skipped"));
}

TEST(SkippedCancel, IsNotToldOfOneThatIsActive) {
  Desk desk(rule_with("transaction_age: 10s", ""));
  desk.look({active(1, 2s)}, 15s);
  EXPECT_THAT(kinds_of(desk.decide_at(15s).events), ElementsAre("intent"));
}

TEST(Narrate, NamesTheRuleTheUserAndTheDatabaseWhereverItSpeaksOfASession) {
  Desk desk(rule_with("state: active, query_age: 10s", ""));
  auto session = active(7, 0s);
  session.is_local = false;
  session.client_addr = *parse_address("10.1.2.3");
  session.query_id = 4711;
  desk.look({session}, 10s);
  const auto decision = desk.decide_at(10s);
  ASSERT_EQ(decision.orders.size(), 1U);
  auto told = decision.events;
  for (const auto& event : desk.reply(decision.orders.front(), ReplyKind::kSignalled, 10s))
    told.push_back(event);
  for (const auto kind :
       {ReplyKind::kMovedOn, ReplyKind::kGone, ReplyKind::kEarly, ReplyKind::kShifted, ReplyKind::kStale,
        ReplyKind::kSyncRep, ReplyKind::kDenied, ReplyKind::kFailed, ReplyKind::kUnknown}) {
    Reply reply;
    reply.kind = kind;
    told.push_back(outcome_event(decision.orders.front(), reply));
  }
  for (const auto& event : desk.look({session}, 11s)) told.push_back(event);
  for (const auto& event : desk.look({session}, 20s)) told.push_back(event);
  for (const auto& event : desk.look({}, 30s)) told.push_back(event);
  std::set<std::string> kinds;
  for (const auto& event : told) {
    kinds.emplace(name_of(event.kind));
    EXPECT_THAT(event.message, ::testing::HasSubstr("pid 7 app@app"));
    EXPECT_THAT(event.message, ::testing::HasSubstr("rule r"));
    if (event.kind == Kind::kVerified || event.kind == Kind::kEnded) continue;
    EXPECT_EQ(field(event, "client_addr"), "10.1.2.3") << name_of(event.kind);
    EXPECT_EQ(field(event, "query_id"), "4711") << name_of(event.kind);
  }
  EXPECT_THAT(kinds, ElementsAre("ended", "intent", "outcome", "unkillable", "verified"));
}

}  // namespace
}  // namespace pgcurfew::testing
