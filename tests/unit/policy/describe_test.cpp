#include "policy/prose/describe.hpp"

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
            "and wait_event tuple with a text that matches /x/ with query_id 1, 2 or -3.");
}

TEST(Describe, ExceptionsOnSeveralClocks) {
  EXPECT_EQ(sentence("{ state: active, query_age: 1min, transaction_age: 2min }", "[ alert ]",
                     "  except: [ { user: a, query_age: 1h, transaction_age: 2h } ]\n"),
            "r: alerts about a query that runs for 1min or longer and whose transaction is open for 2min or "
            "longer; not for user a before query_age 1h and transaction_age 2h.");
}

TEST(Describe, Blockers) {
  EXPECT_EQ(
      sentence("{ blocks: 3, blocks_for: 5s, state: idle in transaction }",
               "[ alert, terminate: { after: 5s } ]"),
      "r: alerts about a session in state idle in transaction that blocks 3 or more others for 5s or longer, "
      "while it waits for no lock itself; terminates the session 5s later if it still blocks them.");
  EXPECT_EQ(
      sentence("{ blocks: { user: migrator, blocked_for: 5s } }", "[ terminate ]"),
      "r: terminates a session that blocks a session of user migrator waiting for 5s or longer, while it "
      "waits for no lock itself.");
  EXPECT_EQ(
      sentence("{ blocks: { user: [ a, b ], state: active, sessions: 2 } }", "[ alert ]"),
      "r: alerts about a session that blocks 2 or more sessions of user a or b in state active, while it "
      "waits for no lock itself.");
  EXPECT_EQ(
      sentence("{ blocks_for: 1min }", "[ alert ]"),
      "r: alerts about a session that blocks others for 1min or longer, while it waits for no lock itself.");
}

TEST(Describe, SessionsThatWait) {
  EXPECT_EQ(
      sentence("{ blocked_for: 1min, user: a }", "[ cancel, terminate ]"),
      "r: cancels the query of a session of user a that waits for a lock for 1min or longer; terminates the "
      "session 30s later if it still waits for that lock.");
  EXPECT_EQ(
      sentence("{ blocked_for: 1min, blocks: 5 }", "[ alert ]"),
      "r: alerts about a session that waits for a lock for 1min or longer and that blocks 5 or more others.");
}

TEST(Describe, XminAge) {
  EXPECT_EQ(
      sentence("{ xmin_age: 50M, state: idle in transaction, state_age: 1min }", "[ terminate ]"),
      "r: terminates a session that is idle in transaction for 1min or longer and whose xmin_age is 50M "
      "transactions or more.");
}

TEST(Describe, Selections) {
  const auto selection = [](std::string_view more) {
    const auto text = sentence("{ user: a, application_name: b }", "[ alert ]", more);
    return text.substr(text.find(';') + 2);
  };
  EXPECT_EQ(
      selection("  keep: 10\n  per: [ user, application_name ]\n"),
      "only if more than 10 of them have the same user and application_name, and then the oldest beyond "
      "10.");
  EXPECT_EQ(selection("  keep: 1\n  per: [ user, database, client_addr ]\n  victims: newest\n"),
            "only if more than 1 of them have the same user, database and client_addr, and then the newest "
            "beyond 1.");
  EXPECT_EQ(selection("  keep: 10\n  victims: all\n"),
            "only if there are more than 10 of them, and then all of these.");
  EXPECT_EQ(selection("  at_most: 1\n  pause: 5s\n"),
            "at most 1 after each look; after each action it pauses for 5s.");
}

TEST(Describe, ServersAndWhatMustHoldOfThem) {
  EXPECT_EQ(
      sentence("{ user: a }", "[ alert ]",
               "  servers: [ a, 'b*' ]\n  when: { role: standby, connections_used: 12.5% }\n"),
      "r: alerts about a session of user a; only on server a or b*; only on a standby; only while 12.5% or "
      "more of the connections are used.");
}

TEST(Describe, Hours) {
  const auto hours = [](std::string_view more) {
    const auto text = sentence("{ user: a }", "[ alert ]", more);
    return text.substr(text.find(';') + 2);
  };
  EXPECT_EQ(hours("  during: { days: mon-fri, from: '08:00', to: '18:00', timezone: Europe/Vienna }\n"),
            "only mon-fri 08:00 to 18:00 (Europe/Vienna).");
  EXPECT_EQ(hours("  during: { from: '22:00', to: '06:00', timezone: UTC }\n"),
            "only 22:00 to 06:00 on the next day (UTC).");
  EXPECT_EQ(
      hours("  during: [ { days: [ mon, wed-thu, sun ], timezone: UTC }, { days: sat, to: '24:00', from: "
            "'20:00', timezone: UTC } ]\n"),
      "only mon, wed-thu, sun or sat 20:00 to 24:00 (UTC).");
  EXPECT_EQ(
      hours("  during: { days: mon, timezone: UTC }\n"
            "  not_during: [ { to: '04:00', timezone: Europe/Vienna }, { from: '20:00', timezone: UTC } ]\n"),
      "only mon (UTC); not 00:00 to 04:00 (Europe/Vienna) or 20:00 to 24:00 (UTC).");
}

TEST(Describe, Repeats) {
  const auto repeat = [](std::string_view options) {
    const auto text = sentence("{ user: a, application_name: b, query_id: 1 }", "[ cancel, alert ]",
                               "  repeat: { " + std::string(options) + " }\n");
    return text.substr(text.rfind(';') + 2);
  };
  EXPECT_EQ(repeat("times: 3, within: 10min, then: terminate"),
            "once it has acted 3 times within 10min on the same user, it terminates at once.");
  EXPECT_EQ(repeat("times: 1, within: 1h, per: query_id, then: alert"),
            "once it has acted once within 1h on the same query_id, it alerts.");
  EXPECT_EQ(
      repeat("times: 5, within: 1min, per: application_name, then: pause"),
      "once it has acted 5 times within 1min on the same application_name, it leaves that application_name "
      "alone for 1min.");
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
