#include <gtest/gtest.h>

#include "policy/condition.hpp"
#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> written(const Match& match) {
  std::vector<std::string> all;
  for (const auto& condition : match.conditions) {
    all.push_back(std::string(entry_of(condition.field).name) + ": " + condition.written);
  }
  return all;
}

TEST(Match, TakesOneValueOrAList) {
  const auto rule = only_rule(load(rule_with("{ database: app, user: [ a, 'b*', \"/c/\" ] }")));
  EXPECT_EQ(written(rule.match),
            (std::vector<std::string>{"backend_type: client backend", "database: app", "user: a, b*, /c/"}));
}

TEST(Match, ReadsEveryField) {
  const auto rule = only_rule(load(
      rule_with("{ database: d, user: u, application_name: a, client_addr: [ local, 10.0.0.0/8, \"::1\" ], "
                "backend_type: autovacuum worker, state: [ active, idle in transaction (aborted) ], "
                "wait_event_type: Lock, wait_event: tuple, query: \"^select: x\", query_id: [ -5, \"7\" ], "
                "query_age: 1s, session_age: 1d, state_age: 2s }")));
  EXPECT_EQ(rule.match.conditions.size(), 10U);
  EXPECT_EQ(rule.match.ages.size(), 3U);
  const auto& ids = std::get<NumbersTest>(rule.match.conditions[2].test);
  EXPECT_EQ(ids.any_of, (std::vector<std::int64_t>{-5, 7}));
  EXPECT_EQ(std::get<StateTest>(rule.match.conditions[1].test).any_of,
            (std::vector<State>{State::kActive, State::kIdleInTransactionAborted}));
}

TEST(Match, SortsConditionsByCostAndAgesFinestFirst) {
  const auto rule = only_rule(
      load(rule_with("{ query: x, wait_event: /y/, client_addr: local, application_name: 'a*', user: u, "
                     "query_id: 1, state: active, session_age: 1d, transaction_age: 1h, query_age: 1min }")));
  EXPECT_EQ(written(rule.match),
            (std::vector<std::string>{"backend_type: client backend", "state: active", "query_id: 1",
                                      "user: u", "application_name: a*", "client_addr: local",
                                      "wait_event: /y/", "query: x"}));
  ASSERT_EQ(rule.match.ages.size(), 3U);
  EXPECT_EQ(rule.match.ages[0].clock, Clock::kQueryAge);
  EXPECT_EQ(rule.match.ages[1].clock, Clock::kTransactionAge);
  EXPECT_EQ(rule.match.ages[2].clock, Clock::kSessionAge);
}

TEST(Match, KeepsThePlacesOfItsParts) {
  const auto rule = only_rule(load(rule_with("{ user: \xC3\xA9, state_age: 1s }")));
  EXPECT_EQ(rule.place.line, 2U);
  EXPECT_EQ(rule.place.column, 3U);
  EXPECT_EQ(rule.match.place.line, 3U);
  EXPECT_EQ(rule.match.place.column, 10U);
  EXPECT_EQ(rule.match.conditions[1].place.column, 12U);
  EXPECT_EQ(rule.match.ages[0].place.column, 21U);  // characters, not bytes
  EXPECT_EQ(rule.match.ages[0].place.file, "x.yaml");
}

TEST(Match, IsForClientBackendsUnlessItNamesAnother) {
  const auto by_default = only_rule(load(rule_with("{ user: a }")));
  EXPECT_TRUE(is_client_backend(by_default.match.conditions[0]));
  const auto named = only_rule(load(rule_with("{ backend_type: autovacuum worker }")));
  EXPECT_EQ(written(named.match), std::vector<std::string>{"backend_type: autovacuum worker"});
  const auto policy = taken(load("protect: [ { user: a } ]\n"));
  EXPECT_EQ(written(own_protect(policy).at(0)), std::vector<std::string>{"user: a"});
}

TEST(Match, RefusesWhatHasNoCondition) {
  constexpr std::string_view kExample = "Conditions are written as in { database: app, state: active }.";
  expect_error(load(rule_with("{}")), 3, 10, "\"match\" is empty", kExample);
  expect_error(load(rule_with("")), 3, 3, "\"match\" has no value", kExample);
  expect_error(load(rule_with("[ { user: a } ]")), 3, 10, "\"match\" has to be a mapping, not a list",
               kExample);
  expect_error(load("protect: [ {} ]\n"), 1, 12, "\"protect\" is empty", kExample);
}

TEST(Match, RefusesEmptyLists) {
  expect_error(load(rule_with("{ user: [] }")), 3, 18, "\"user\" is empty",
               "Leave the key out if it should not matter.");
  expect_error(load(rule_with("{ state: [] }")), 3, 19, "\"state\" is empty",
               "Leave the key out if it should not matter.");
}

TEST(Match, RefusesListsAndMapsWithinAList) {
  expect_error(load(rule_with("{ user: [ [ a ] ] }")), 3, 20,
               "\"user\" has to be a single value here, not a list");
  expect_error(load(rule_with("{ user: { a: b } }")), 3, 18,
               "\"user\" has to be a single value here, not a mapping");
}

TEST(Match, NamesTheFieldThatWasMeant) {
  const std::vector<std::pair<std::string, std::string>> meant = {
      {"databse", "database"},           {"datname", "database"},   {"usename", "user"},
      {"older_than", "query_age"},       {"idle_for", "state_age"}, {"xact_age", "transaction_age"},
      {"client_address", "client_addr"}, {"sql", "query"},          {"min_blocked", "blocks"},
      {"lock_wait", "blocked_for"},      {"xmin", "xmin_age"}};
  for (const auto& [word, field] : meant) {
    expect_error(load(rule_with("{ " + word + ": x }")), 3, 12, "unknown key \"" + word + "\" in match",
                 "Did you mean \"" + field + "\"?");
  }
  const auto unknown = load(rule_with("{ mood: bad }"));
  ASSERT_EQ(unknown.diagnostics.size(), 1U);
  EXPECT_EQ(unknown.diagnostics[0].hint,
            "Known here: database, user, application_name, client_addr, backend_type, state, "
            "wait_event_type, wait_event, query, query_id, xmin_age, blocks, blocks_for, blocked_for, "
            "query_age, transaction_age, state_age, session_age.");
}

TEST(Match, RefusesUnknownStates) {
  const std::vector<std::pair<std::string, std::string>> meant = {
      {"idle-in-transaction", "idle in transaction"},
      {"Active", "active"},
      {"running", "active"},
      {"aborted", "idle in transaction (aborted)"}};
  for (const auto& [word, state] : meant) {
    expect_error(load(rule_with("{ state: " + word + " }")), 3, 19, "unknown state \"" + word + "\"",
                 "Did you mean \"" + state + "\"?");
  }
  expect_error(load(rule_with("{ state: no }")), 3, 19, "unknown state \"no\"",
               "It is active, idle, idle in transaction, idle in transaction (aborted), fastpath function "
               "call, disabled or starting.");
}

TEST(Match, RefusesBackendsThatAreNeverVictims) {
  const std::vector<std::pair<std::string, std::string>> never = {
      {"parallel worker", "Its leader is judged instead."},
      {"walsender", "Replication is never touched."},
      {"walreceiver", "Replication is never touched."},
      {"logical replication launcher", "Replication is never touched."},
      {"logical replication apply worker", "Replication is never touched."},
      {"logical replication tablesync worker", "Replication is never touched."},
      {"logical replication parallel worker", "Replication is never touched."}};
  for (const auto& [type, reason] : never) {
    expect_error(load(rule_with("{ backend_type: [ client backend, " + type + " ] }")), 3, 44,
                 "no rule can apply to backend_type \"" + type + "\"", reason);
  }
  for (const std::string type : {"checkpointer", "background writer", "walwriter", "archiver", "startup",
                                 "logger", "io worker", "autovacuum launcher", "walsummarizer",
                                 "slotsync worker", "standalone backend", "dead-end client backend"}) {
    EXPECT_TRUE(load(rule_with("{ backend_type: " + type + " }")).has_errors()) << type;
    EXPECT_FALSE(load("protect: [ { backend_type: " + type + " } ]\n").has_errors()) << type;
  }
}

TEST(Match, WarnsOfBackendTypesThatAreNotPostgres) {
  expect_warning(load(rule_with("{ backend_type: pg_cron launcher }")), 3, 26,
                 "backend_type \"pg_cron launcher\" is not one of PostgreSQL's",
                 "It matches only if an extension registers that very name.");
  expect_warning(load(rule_with("{ backend_type: client_backend }")), 3, 26,
                 "backend_type \"client_backend\" is not one of PostgreSQL's",
                 "Did you mean \"client backend\"?");
}

TEST(Match, RefusesBadPatternsAddressesAndExpressions) {
  expect_error(load(rule_with("{ client_addr: localhost }")), 3, 25, "\"localhost\" is not an address",
               "An address is written in numbers, as in 10.0.0.7, 10.0.0.0/8, fd00::/8, or local for the "
               "Unix-domain socket.");
  expect_error(load(rule_with("{ client_addr: 10.0.0.1/8 }")), 3, 25,
               "network \"10.0.0.1/8\" has bits set to the right of its prefix",
               "Correct either the address or the prefix length.");
  expect_error(load(rule_with("{ user: \"/(/\" }")), 3, 18,
               "invalid regular expression \"/(/\": missing ): (",
               "Regular expressions are RE2's: no look-around and no back-references.");
  expect_error(load(rule_with("{ query: \"(a)\\\\1\" }")), 3, 19,
               "invalid regular expression \"(a)\\1\": invalid escape sequence: \\1",
               "Regular expressions are RE2's: no look-around and no back-references.");
}

TEST(Match, RefusesAgesWithoutUnitOrLength) {
  expect_error(load(rule_with("{ query_age: 10 }")), 3, 23, "duration \"10\" lacks a unit",
               "The units are us, ms, s, min, h and d, as in 10min or 1h 30min.");
  expect_error(load(rule_with("{ query_age: 0s }")), 3, 23, "\"query_age\" must be longer than 0");
  expect_error(load(rule_with("{ query_age: [ 1s ] }")), 3, 23,
               "\"query_age\" has to be a single value here, not a list");
}

TEST(Match, ProtectTakesNoAges) {
  expect_error(load("protect:\n- { user: a, query_age: 1h }\n"), 2, 14, "protect takes no query_age",
               "A session is protected at any age; a later limit belongs in a rule's except.");
}

TEST(Match, ReadsAgesOnTheirClocks) {
  const auto rule = only_rule(load(rule_with("{ state_age: 5min, session_age: 1h 30min }")));
  ASSERT_EQ(rule.match.ages.size(), 2U);
  EXPECT_EQ(rule.match.ages[0].limit, 5min);
  EXPECT_EQ(rule.match.ages[1].limit, 90min);
}

}  // namespace
}  // namespace pgcurfew::testing
