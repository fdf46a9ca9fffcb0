#include <gtest/gtest.h>

#include "policy/condition.hpp"
#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

/// The only condition of that field of a rule with this match.
Condition condition(std::string_view match, Field field) {
  const auto rule = only_rule(load(rule_with(match)));
  for (const auto& each : rule.match.conditions) {
    if (each.field == field) return each;
  }
  ADD_FAILURE() << "no such condition in " << match;
  return {};
}

BlocksTest blocks(std::string_view value) {
  return std::get<BlocksTest>(condition("{ blocks: " + std::string(value) + " }", Field::kBlocks).test);
}

TEST(XminAge, IsReadWithAndWithoutUnit) {
  const auto age = [](std::string_view value) {
    return std::get<XminAgeTest>(condition("{ xmin_age: " + std::string(value) + " }", Field::kXminAge).test)
        .at_least;
  };
  EXPECT_EQ(age("1"), 1);
  EXPECT_EQ(age("200000"), 200'000);
  EXPECT_EQ(age("500k"), 500'000);
  EXPECT_EQ(age("50M"), 50'000'000);
  EXPECT_EQ(age("2G"), 2'000'000'000);
  EXPECT_EQ(age("2147483647"), 2'147'483'647);
}

TEST(XminAge, IsWrittenWithTheLargestUnitThatFits) {
  EXPECT_EQ(condition("{ xmin_age: 50000k }", Field::kXminAge).written, "50M");
  EXPECT_EQ(condition("{ xmin_age: 1500k }", Field::kXminAge).written, "1500k");
  EXPECT_EQ(condition("{ xmin_age: 200001 }", Field::kXminAge).written, "200001");
}

TEST(XminAge, RefusesWhatIsNoNumberOfTransactions) {
  for (const std::string text : {"M", "50 M", "50m", "1.5M", "-1", "0", "050", "50MM", "1e6", "50K", "1h"}) {
    expect_error(load(rule_with("{ xmin_age: " + text + " }")), 3, 22,
                 "\"" + text + "\" is not a number of transactions",
                 "It is a whole number, optionally with k, M or G for a thousand, a million or a thousand "
                 "million, as in 50M.");
  }
  for (const std::string text : {"2147483648", "3G", "9999999999G", "99999999999999999999"}) {
    expect_error(load(rule_with("{ xmin_age: " + text + " }")), 3, 22,
                 "\"xmin_age\" of " + text + " is out of range", "It takes 1 to 2147483647.");
  }
  expect_error(load(rule_with("{ xmin_age: [ 1M ] }")), 3, 22,
               "\"xmin_age\" has to be a single value here, not a list");
}

TEST(Blocks, TakesANumber) {
  const auto test = blocks("3");
  EXPECT_EQ(test.at_least, 3U);
  EXPECT_FALSE(test.waiter);
  EXPECT_EQ(condition("{ blocks: 3 }", Field::kBlocks).written, "3");
}

TEST(Blocks, TakesWhomAndHowMany) {
  const auto test = blocks("{ user: migrator, state: active, sessions: 2, blocked_for: 5s }");
  EXPECT_EQ(test.at_least, 2U);
  ASSERT_TRUE(test.waiter);
  ASSERT_EQ(test.waiter->conditions.size(), 2U);
  EXPECT_EQ(test.waiter->conditions[0].field, Field::kState);
  EXPECT_EQ(test.waiter->conditions[1].field, Field::kUser);
  ASSERT_EQ(test.waiter->ages.size(), 1U);
  EXPECT_EQ(test.waiter->ages[0].clock, Clock::kBlockedFor);
  EXPECT_EQ(test.waiter->ages[0].limit, 5s);
  EXPECT_EQ(condition("{ blocks: { user: migrator, sessions: 2, blocked_for: 5s } }", Field::kBlocks).written,
            "sessions: 2, user: migrator, blocked_for: 5s");
}

TEST(Blocks, IsOneOfAnyBackendUnlessItSaysMore) {
  const auto by_age = blocks("{ blocked_for: 1min }");
  EXPECT_EQ(by_age.at_least, 1U);
  ASSERT_TRUE(by_age.waiter);
  EXPECT_TRUE(by_age.waiter->conditions.empty());
  EXPECT_FALSE(blocks("{ sessions: 4 }").waiter);
  EXPECT_EQ(blocks("{ sessions: 4 }").at_least, 4U);
}

TEST(Blocks, TakesTheRefusedBackendsAsWaiters) {
  EXPECT_TRUE(load(rule_with("{ blocks: { backend_type: startup } }")).policy);
}

TEST(Blocks, RefusesWhatIsNoNumber) {
  for (const std::string text : {"many", "-1", "2.5", "03"}) {
    expect_error(load(rule_with("{ blocks: " + text + " }")), 3, 20, "\"" + text + "\" is not a whole number",
                 "It takes 1 to 500, or says which sessions it blocks: { user: migrator, blocked_for: 5s }.");
  }
  for (const std::string text : {"0", "501"}) {
    expect_error(load(rule_with("{ blocks: " + text + " }")), 3, 20,
                 "\"blocks\" of " + text + " is out of range",
                 "It takes 1 to 500, or says which sessions it blocks: { user: migrator, blocked_for: 5s }.");
  }
  expect_error(load(rule_with("{ blocks: { sessions: 0 } }")), 3, 32, "\"sessions\" of 0 is out of range",
               "It takes 1 to 500.");
  expect_error(load(rule_with("{ blocks: { sessions: 501 } }")), 3, 32, "\"sessions\" of 501 is out of range",
               "It takes 1 to 500.");
  expect_error(load(rule_with("{ blocks: [ 3 ] }")), 3, 20,
               "\"blocks\" has to be a single value here, not a list");
  expect_error(load(rule_with("{ blocks: {} }")), 3, 20, "\"blocks\" is empty",
               "Conditions are written as in { database: app, state: active }.");
}

TEST(Blocks, OfTheAgesTakesBlockedForAlone) {
  for (const std::string key : {"query_age", "state_age", "blocks_for", "blocks", "xmin_age"}) {
    const auto value = key == "blocks" ? "1" : key == "xmin_age" ? "1M" : "1s";
    expect_error(
        load(rule_with("{ blocks: { user: a, " + key + ": " + value + " } }")), 3, 31,
        "blocks takes no " + key,
        "It takes only the age blocked_for, and the fields that say which session it is and what it does.");
  }
  expect_error(load(rule_with("{ blocks: { usename: a } }")), 3, 22, "unknown key \"usename\" in blocks",
               "Did you mean \"user\"?");
  expect_error(load(rule_with("{ blocks: { count: 2 } }")), 3, 22, "unknown key \"count\" in blocks",
               "Known here: sessions, database, user, application_name, client_addr, backend_type, state, "
               "wait_event_type, wait_event, query, query_id, blocked_for.");
}

TEST(Blocks, SaysAllThatIsWrongWithItsParts) {
  const auto result = load(rule_with("{ blocks: { state: running, blocked_for: 5, sessions: x } }"));
  expect_said(result, Severity::kError, 3, 29, "unknown state \"running\"", "Did you mean \"active\"?");
  expect_said(result, Severity::kError, 3, 51, "duration \"5\" lacks a unit",
              "The units are us, ms, s, min, h and d, as in 10min or 1h 30min.");
  expect_said(result, Severity::kError, 3, 64, "\"x\" is not a whole number", "It takes 1 to 500.");
  EXPECT_EQ(result.diagnostics.size(), 3U) << all_of(result);
}

TEST(Blocks, AgesAreReadFinestFirst) {
  const auto rule = only_rule(load(rule_with("{ state_age: 1s, blocks_for: 2s, blocked_for: 3s }")));
  ASSERT_EQ(rule.match.ages.size(), 3U);
  EXPECT_EQ(rule.match.ages[0].clock, Clock::kBlockedFor);
  EXPECT_EQ(rule.match.ages[0].limit, 3s);
  EXPECT_EQ(rule.match.ages[1].clock, Clock::kBlocksFor);
  EXPECT_EQ(rule.match.ages[2].clock, Clock::kStateAge);
}

TEST(Blocks, BelongsInNoExceptionAndNoProtection) {
  constexpr std::string_view kException =
      "An exception would spare the sessions that do most harm: give them a rule of their own with its "
      "limit.";
  expect_error(load(rule_with("{ user: a }") + "  except: [ { user: b, blocks: 3 } ]\n"), 5, 24,
               "except takes no blocks", kException);
  expect_error(load(rule_with("{ user: a }") + "  except: [ { user: b, xmin_age: 3M } ]\n"), 5, 24,
               "except takes no xmin_age", kException);
  expect_error(load("protect:\n- { user: a, blocks: 3 }\n"), 2, 14, "protect takes no blocks",
               "A session is protected whatever it does.");
  expect_error(load("protect:\n- { user: a, blocked_for: 3s }\n"), 2, 14, "protect takes no blocked_for",
               "A session is protected at any age; a later limit belongs in a rule's except.");
}

TEST(Blocks, AgesCanHaveALaterLimitInAnException) {
  const auto rule =
      only_rule(load(rule_with("{ blocks_for: 5s }") + "  except: [ { user: etl, blocks_for: 1min } ]\n"));
  EXPECT_EQ(rule.except.at(0).match.ages.at(0).limit, 1min);
  expect_error(load(rule_with("{ blocks_for: 5s }") + "  except: [ { user: etl, blocks_for: 1s } ]\n"), 5, 26,
               "the exception's blocks_for of 1s is not later than the rule's 5s",
               "An exception can only be milder than its rule.");
}

}  // namespace
}  // namespace pgcurfew::testing
