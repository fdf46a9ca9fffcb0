#include "policy/describe.hpp"

#include <gtest/gtest.h>

#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

std::string sentence(std::string_view match, std::string_view escalate, std::string_view more = "") {
  const auto result = load(rule_with(match, escalate) + std::string(more));
  EXPECT_TRUE(result.policy) << all_of(result);
  return result.policy ? sentence_of(result.policy->rules.at(0)) : "";
}

TEST(Describe, AQueryTimeoutWithItsExceptions) {
  EXPECT_EQ(
      sentence("{ database: [ app, 'app_*' ], state: active, query_age: 10min }", "[ cancel, terminate ]",
               "  except: [ { user: etl, query_age: 2h }, { application_name: 'nightly-*' } ]\n"),
      "r: cancels a query in database app or app_* that runs for 10min or longer; terminates the session "
      "30s later if it is still the same query; not for user etl before 2h; not for application_name "
      "nightly-*.");
}

TEST(Describe, ADryRunSaysSo) {
  EXPECT_EQ(
      sentence("{ state: idle in transaction, state_age: 5min }", "[ alert, terminate: { after: 1min } ]",
               "  mode: dry-run\n"),
      "r: alerts about a session that is idle in transaction for 5min or longer; terminates the session "
      "1min later if its state has not changed since; a dry run, so it only reports what it would do.");
}

TEST(Describe, EachClock) {
  EXPECT_EQ(
      sentence("{ transaction_age: 1h }", "[ cancel, terminate: { after: 0s } ]"),
      "r: cancels the query of a transaction that is open for 1h or longer; terminates the session at once "
      "if it is still the same transaction.");
  EXPECT_EQ(sentence("{ session_age: 1d, user: app }", "[ terminate ]"),
            "r: terminates a session of user app that is connected for 1d or longer.");
  EXPECT_EQ(sentence("{ query_age: 1h }", "[ cancel ]"),
            "r: cancels the query of a session whose last query began 1h ago or earlier.");
  EXPECT_EQ(
      sentence("{ state_age: 1h, state: [ idle, disabled ], session_age: 1d }", "[ terminate ]")
          .substr(0, 200),
      "r: terminates a session that is idle or disabled for 1h or longer and that is connected for 1d or "
      "longer.");
  EXPECT_EQ(
      sentence("{ transaction_age: 1h, session_age: 1d, state: active }", "[ terminate ]"),
      "r: terminates the session of a transaction in state active that is open for 1h or longer and whose "
      "session is connected for 1d or longer.");
}

TEST(Describe, ARuleWithoutAges) {
  EXPECT_EQ(
      sentence("{ application_name: psql, client_addr: [ local, 10.0.0.0/8 ] }",
               "[ alert: { after: 5s }, alert, cancel ]"),
      "r: alerts about a session with application_name psql from client_addr local or 10.0.0.0/8, 5s after "
      "that; alerts 30s later if it still matches; cancels the query 30s later if it still matches.");
}

TEST(Describe, EachField) {
  EXPECT_EQ(sentence("{ backend_type: autovacuum worker, wait_event_type: Lock, wait_event: tuple, query: x, "
                     "query_id: [ 1, 2, -3 ] }",
                     "[ alert ]"),
            "r: alerts about a session of backend_type autovacuum worker waiting for wait_event_type Lock "
            "and wait_event tuple with a text that fits /x/ with query_id 1, 2 or -3.");
}

TEST(Describe, ExceptionsOnSeveralClocks) {
  EXPECT_EQ(sentence("{ state: active, query_age: 1min, transaction_age: 2min }", "[ alert ]",
                     "  except: [ { user: a, query_age: 1h, transaction_age: 2h } ]\n"),
            "r: alerts about a query that runs for 1min or longer and whose transaction is open for 2min or "
            "longer; not for user a before query_age 1h and transaction_age 2h.");
}

TEST(Describe, PhraseNamesTheConditions) {
  const auto rule =
      only_rule(load(rule_with("{ state: active, database: [ app, 'app_*' ], query_age: 1s }")));
  EXPECT_EQ(phrase_of(rule.match), "database app or app_*, state active");
  const auto policy = taken(load("protect: [ { backend_type: client backend } ]\n"));
  EXPECT_EQ(phrase_of(own_protect(policy).at(0)), "backend_type client backend");
  EXPECT_EQ(phrase_of(Match{}), "any session");
}

}  // namespace
}  // namespace pgcurfew::testing
