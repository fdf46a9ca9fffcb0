#include <gtest/gtest.h>

#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

std::string with_except(std::string_view match, std::string_view except) {
  return rule_with(match) + "  except: " + std::string(except) + "\n";
}

constexpr std::string_view kLadderExample = "Steps are written as in [ cancel, terminate: { after: 30s } ].";

TEST(Rule, ReadsItsParts) {
  const auto rule = only_rule(
      load("rules:\n"
           "- name: app-query.timeout_1\n"
           "  description: Long\n"
           "    and folded.\n"
           "  match: { state: active, query_age: 10min }\n"
           "  except: [ { user: etl, query_age: 2h }, { user: nightly, application_name: 'nightly-*' } ]\n"
           "  escalate: [ alert, cancel: { after: 5s }, terminate ]\n"
           "  mode: dry-run\n"));
  EXPECT_EQ(rule.name, "app-query.timeout_1");
  EXPECT_EQ(rule.description, "Long and folded.");
  EXPECT_EQ(rule.except.size(), 2U);
  EXPECT_EQ(rule.except[0].match.ages.at(0).limit, 2h);
  EXPECT_EQ(rule.except[0].match.conditions.size(), 1U);
  EXPECT_EQ(rule.mode, Mode::kDryRun);
  ASSERT_EQ(rule.escalate.size(), 3U);
  EXPECT_EQ(rule.escalate[0].after, 0s);
  EXPECT_EQ(rule.escalate[1].after, 5s);
  EXPECT_EQ(rule.escalate[2].after, 30s);
  EXPECT_EQ(rule.escalate[2].kind, StepKind::kTerminate);
  EXPECT_EQ(rule.escalate[2].place.column, 45U);
}

TEST(Rule, NeedsNameMatchAndEscalate) {
  const auto result = load("rules:\n- description: x\n");
  expect_said(result, Severity::kError, 2, 3, "a rule has no \"name\"", "The log identifies it by its name.");
  expect_said(result, Severity::kError, 2, 3, "a rule has no \"match\"",
              "A rule without a condition would match every session.");
  expect_said(result, Severity::kError, 2, 3, "a rule has no \"escalate\"",
              "It says what to do: [ alert, cancel, terminate ].");
  EXPECT_EQ(result.diagnostics.size(), 3U);
}

TEST(Rule, RefusesBadNames) {
  constexpr std::string_view kHint = "It takes letters, digits, _, - and ., at most 63 of them.";
  expect_error(load("rules: [ { name: a b, match: { user: a }, escalate: [ alert ] } ]\n"), 1, 18,
               "invalid name \"a b\"", kHint);
  const std::string long_name(64, 'x');
  expect_error(load("rules: [ { name: " + long_name + ", match: { user: a }, escalate: [ alert ] } ]\n"), 1,
               18, "invalid name \"" + long_name + "\"", kHint);
  EXPECT_TRUE(
      load("rules: [ { name: " + long_name.substr(1) + ", match: { user: a }, escalate: [ alert ] } ]\n")
          .policy);
}

TEST(Rule, RefusesDuplicateNames) {
  expect_error(load(rule_with("{ user: a }") + "- { name: r, match: { user: b }, escalate: [ alert ] }\n"), 5,
               11, "duplicate rule \"r\"", "The other one is at x.yaml:2.");
}

TEST(Rule, RefusesUnknownKeys) {
  expect_error(load(rule_with("{ user: a }") + "  actions: [ kill ]\n"), 5, 3,
               "unknown key \"actions\" in a rule", "Did you mean \"escalate\"?");
  expect_error(load(rule_with("{ user: a }") + "  descripton: x\n"), 5, 3,
               "unknown key \"descripton\" in a rule", "Did you mean \"description\"?");
  expect_error(load(rule_with("{ user: a }") + "  windows: x\n"), 5, 3, "unknown key \"windows\" in a rule",
               "Did you mean \"during\"?");
  expect_error(
      load(rule_with("{ user: a }") + "  priority: x\n"), 5, 3, "unknown key \"priority\" in a rule",
      "Known here: name, description, servers, match, except, per, keep, victims, at_most, pause, when, "
      "during, not_during, repeat, escalate, mode.");
}

TEST(Rule, RefusesWhatIsNoListOfRules) {
  expect_error(load("rules: []\n"), 1, 8, "\"rules\" is empty", "Write each rule of the list after a dash.");
  expect_error(load("rules: { name: x }\n"), 1, 8, "\"rules\" has to be a list, not a mapping",
               "Write each rule of the list after a dash.");
  expect_error(load("rules: [ x ]\n"), 1, 10, "\"rules\" has to be a mapping, not a single value",
               "A rule is a mapping with name, match and escalate.");
}

TEST(Rule, RefusesEmptyLadders) {
  expect_error(load(rule_with("{ user: a }", "[]")), 4, 13, "\"escalate\" is empty", kLadderExample);
  expect_error(load(rule_with("{ user: a }", "cancel")), 4, 13,
               "\"escalate\" has to be a list, not a single value", kLadderExample);
}

TEST(Rule, RefusesUnknownSteps) {
  expect_error(load(rule_with("{ user: a }", "[ kill ]")), 4, 15, "unknown step \"kill\"",
               "Did you mean \"terminate\"?");
  expect_error(load(rule_with("{ user: a }", "[ cancle ]")), 4, 15, "unknown step \"cancle\"",
               "Did you mean \"cancel\"?");
  expect_error(load(rule_with("{ user: a }", "[ explode: { after: 1s } ]")), 4, 15,
               "unknown step \"explode\"", "It is alert, cancel or terminate.");
}

TEST(Rule, RefusesBadStepOptions) {
  expect_error(load(rule_with("{ user: a }", "[ terminate: { delay: 1s } ]")), 4, 28,
               "unknown key \"delay\" in step terminate", "Did you mean \"after\"?");
  expect_error(load(rule_with("{ user: a }", "[ terminate: 30s ]")), 4, 26,
               "\"terminate\" has to be a mapping, not a single value",
               "Write terminate alone, or terminate: { after: 30s }.");
  expect_error(load(rule_with("{ user: a }", "[ terminate: ]")), 4, 15, "\"terminate\" has no value",
               "Write terminate alone, or terminate: { after: 30s }.");
  expect_error(load(rule_with("{ user: a }", "[ terminate: { after: 30 } ]")), 4, 35,
               "duration \"30\" lacks a unit",
               "The units are us, ms, s, min, h and d, as in 10min or 1h 30min.");
  expect_error(load(rule_with("{ user: a }", "[ { cancel: { after: 1s }, terminate: { after: 1s } } ]")), 4,
               40, "a second step within one entry of \"escalate\"",
               "Write each step as an entry of its own, after a dash of its own.");
}

TEST(Rule, RefusesStepsDownAndStepsTwice) {
  expect_error(load(rule_with("{ user: a }", "[ terminate, cancel ]")), 4, 26,
               "cancel after terminate is a step down",
               "Steps go from mild to strong: cancel, then terminate.");
  expect_error(load(rule_with("{ user: a }", "[ cancel, cancel ]")), 4, 23,
               "step cancel appears twice in \"escalate\"",
               "Use terminate for sessions that a cancel does not end.");
  expect_error(load(rule_with("{ user: a }", "[ terminate, terminate ]")), 4, 26,
               "step terminate appears twice in \"escalate\"");
  EXPECT_EQ(
      only_rule(load(rule_with("{ user: a }", "[ alert, cancel, alert, terminate, alert ]"))).escalate.size(),
      5U);
}

TEST(Rule, RefusesACancelWhereOnlyIdleSessionsCanMatch) {
  constexpr std::string_view kHint =
      "A cancel ends a statement that runs (state active); use terminate for the others.";
  constexpr std::string_view kMessage = "a cancel has no effect on any state that this rule matches";
  expect_error(load(rule_with("{ state: idle in transaction }", "[ alert, cancel ]")), 4, 22, kMessage,
               kHint);
  expect_error(load(rule_with("{ state: [ idle, disabled ] }", "[ cancel: { after: 1s } ]")), 4, 15, kMessage,
               kHint);
  EXPECT_TRUE(load(rule_with("{ state: [ idle, active ] }", "[ cancel ]")).policy);
  EXPECT_TRUE(load(rule_with("{ state: fastpath function call }", "[ cancel ]")).policy);
  EXPECT_TRUE(load(rule_with("{ user: a }", "[ cancel ]")).policy);
}

TEST(Rule, RefusesExceptionsForEveryone) {
  expect_error(load(with_except("{ user: a, query_age: 1min }", "[ { query_age: 2h } ]")), 5, 13,
               "an exception has ages but does not say for which sessions",
               "It would move the limit for every session: change the rule's own age instead.");
  expect_error(load(with_except("{ user: a }", "[ {} ]")), 5, 13, "\"except\" is empty",
               "Conditions are written as in { database: app, state: active }.");
  expect_error(load(with_except("{ user: a }", "[]")), 5, 11, "\"except\" is empty",
               "Write each entry of the list after a dash, as in - { user: etl }.");
  expect_error(load(with_except("{ user: a }", "{ user: b }")), 5, 11,
               "\"except\" has to be a list, not a mapping",
               "Write each entry of the list after a dash, as in - { user: etl }.");
}

TEST(Rule, RefusesExceptionsThatAreNotMilder) {
  for (const std::string age : {"1min", "59s"}) {
    expect_error(load(with_except("{ query_age: 1min, user: a }", "[ { user: b, query_age: " + age + " } ]")),
                 5, 24, "the exception's query_age of " + age + " is not later than the rule's 1min",
                 "An exception can only be milder than its rule.");
  }
}

TEST(Rule, RefusesExceptionsOnAnotherClock) {
  expect_error(load(with_except("{ query_age: 1min, user: a }", "[ { user: b, state_age: 1h } ]")), 5, 24,
               "the exception's state_age is not an age of the rule",
               "An exception can only move the rule's own limit: query_age.");
  expect_error(load(with_except("{ user: a }", "[ { user: b, state_age: 1h } ]")), 5, 24,
               "the exception's state_age is not an age of the rule",
               "The rule has no age; an exception without one leaves the sessions alone for good.");
}

TEST(Rule, DoesNotBlameAnExceptionForABadLimit) {
  expect_error(load(with_except("{ query_age: 1, user: a }", "[ { user: b, query_age: 1h } ]")), 3, 23,
               "duration \"1\" lacks a unit",
               "The units are us, ms, s, min, h and d, as in 10min or 1h 30min.");
}

TEST(Rule, WarnsOfStatesThatLackTheClock) {
  expect_warning(load(rule_with("{ state: idle, transaction_age: 1min }")), 3, 12,
                 "state \"idle\" never matches here: its xact_start is NULL, so it has no transaction_age",
                 "Use state_age for it.");
  expect_warning(
      load(rule_with("{ state: [ active, idle in transaction (aborted) ], transaction_age: 1min }")), 3, 12,
      "state \"idle in transaction (aborted)\" never matches here: its xact_start is NULL, so it has no "
      "transaction_age",
      "Use state_age for it.");
  expect_warning(load(rule_with("{ state: disabled, query_age: 1min }")), 3, 12,
                 "state \"disabled\" never matches here: its query_start is NULL, so it has no query_age",
                 "The only age that it has is session_age.");
  expect_warning(load(rule_with("{ state: starting }")), 3, 12,
                 "state \"starting\" has neither database nor user yet, and only a superuser may end it",
                 "authentication_timeout of PostgreSQL ends sessions that do not get past it.");
  taken(load(rule_with("{ state: [ disabled, idle ], session_age: 1min }")));
}

TEST(Rule, WarnsWhenIdleSessionsWouldGrowOldByTheirLastQuery) {
  expect_warning(load(rule_with("{ user: a, query_age: 1min }", "[ cancel, terminate ]")), 3, 10,
                 "query_age without a state also terminates idle sessions whose last query is that old",
                 "Add state: active if it is about queries that run.");
  taken(load(rule_with("{ user: a, query_age: 1min }", "[ cancel, alert ]")));
}

TEST(Rule, CanOnlyBeMilderThanItsFile) {
  const std::string rule =
      "servers: [ { name: db, conninfo: host=db } ]\n"
      "rules: [ { name: r, match: { user: a }, escalate: [ alert ], mode: ";
  constexpr std::string_view kHint =
      "A rule's mode can only be milder: set mode: enforce at the top of the main file, and mode: dry-run in "
      "the rules that should wait.";
  expect_error(load_main(rule + "enforce } ]\n"), 2, 68, "a rule cannot enforce while its file is a dry run",
               kHint);
  expect_error(load_main(rule + "enforce } ]\nmode: dry-run\n"), 2, 68,
               "a rule cannot enforce while its file is a dry run", kHint);
  EXPECT_EQ(only_rule(load_main(rule + "enforce } ]\nmode: enforce\n")).mode, Mode::kEnforce);
  EXPECT_EQ(only_rule(load_main(rule + "dry-run } ]\nmode: enforce\n")).mode, Mode::kDryRun);
  expect_error(load_main(rule + "dryrun } ]\n"), 2, 68, "unknown mode \"dryrun\"",
               "Did you mean \"dry-run\"?");
}

TEST(Rule, HasTheModeOfItsFileOtherwise) {
  EXPECT_EQ(only_rule(load_main(main_with(""))).mode, Mode::kDryRun);
  EXPECT_EQ(only_rule(load_main(main_with("mode: enforce\n"))).mode, Mode::kEnforce);
  EXPECT_EQ(only_rule(load(rule_with("{ user: a }"))).mode, Mode::kEnforce);
}

}  // namespace
}  // namespace pgcurfew::testing
