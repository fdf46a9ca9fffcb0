#include <gtest/gtest.h>

#include "policy/advice/covers.hpp"
#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

constexpr std::string_view kTwo = "[ cancel, terminate ]";

TEST(Warnings, OfAWaitThatIsNone) {
  expect_warning(load(rule_with("{ state: idle in transaction, blocked_for: 5s }")), 3, 40,
                 "this rule never matches: a session that waits for a lock is active",
                 "Use blocks_for for the sessions that it waits for.");
  taken(load(rule_with("{ state: [ active, idle in transaction ], blocked_for: 5s }")));
  taken(load(rule_with("{ state: idle in transaction, blocks_for: 5s }")));
}

TEST(Warnings, OfIdleSessionsThatHoldNothingBack) {
  expect_warning(
      load(rule_with("{ state: idle, xmin_age: 50M }")), 3, 25,
      "this rule never matches: a session that is idle outside of a transaction holds nothing back",
      "It is idle in transaction, or active.");
  taken(load(rule_with("{ state: [ idle, idle in transaction ], xmin_age: 50M }")));
}

std::string for_role(std::string_view role, std::string_view wanted, std::string_view servers = "") {
  return "servers:\n- { name: a, conninfo: \"host=a target_session_attrs=" + std::string(wanted) +
         "\" }\n- { name: b, conninfo: \"host=b\" }\nrules:\n"
         "- { name: r, match: { user: a }, escalate: [ alert ], when: { role: " +
         std::string(role) + " }" + std::string(servers) + " }\n";
}

TEST(Warnings, OfARoleThatNoServerEverHas) {
  for (const auto& [role, wanted] :
       std::vector<std::pair<std::string, std::string>>{{"standby", "primary"},
                                                        {"standby", "read-write"},
                                                        {"primary", "standby"},
                                                        {"primary", "read-only"}}) {
    expect_warning(
        load_main(for_role(role, wanted, ", servers: a")), 5, 69,
        "this rule never acts: by its target_session_attrs, none of its servers is ever a " + role);
    taken(load_main(for_role(role, wanted)));
  }
  taken(load_main(for_role("primary", "primary", ", servers: a")));
  taken(load_main(for_role("standby", "prefer-standby", ", servers: a")));
}

TEST(Warnings, OfHoursThatNeverOpen) {
  const auto with = [](std::string_view more) { return load(rule_with("{ user: a }") + std::string(more)); };
  expect_warning(
      with("  during: { days: mon, timezone: UTC }\n  not_during: { days: mon-wed, timezone: UTC }\n"), 6, 15,
      "this rule never acts: its hours never open", "not_during excludes all hours of during.");
  expect_warning(with("  not_during: { days: mon-sun, timezone: UTC }\n"), 5, 15,
                 "this rule never acts: its hours never open");
  taken(with("  during: { days: mon, timezone: UTC }\n  not_during: { days: tue-sun, timezone: UTC }\n"));
  // an hour of difference is open
  taken(
      with("  during: { days: mon, timezone: UTC }\n  not_during: { days: mon, timezone: Europe/Vienna }\n"));
}

TEST(Warnings, OfBlockersThatAreOnlyActive) {
  expect_warning(load(rule_with("{ state: active, blocks: 3, blocks_for: 5s }", kTwo)), 3, 12,
                 "the usual blocker is idle in transaction, and this rule ignores it",
                 "Leave the state out, or name both.");
  taken(load(rule_with("{ state: [ active, idle in transaction ], blocks_for: 5s }", kTwo)));
  taken(load(rule_with("{ state: active, blocks: 3, blocked_for: 5s }", kTwo)));
}

TEST(Warnings, OfWaitEventTypesThatAreNone) {
  expect_warning(load(rule_with("{ wait_event_type: lock }")), 3, 12,
                 "wait_event_type \"lock\" is not one of PostgreSQL's", "Did you mean \"Lock\"?");
  expect_warning(load(rule_with("{ wait_event_type: [ Lock, Network ] }")), 3, 12,
                 "wait_event_type \"Network\" is not one of PostgreSQL's",
                 "They are Activity, BufferPin, Client, Extension, IO, InjectionPoint, IPC, Lock, LWLock, "
                 "Timeout.");
  taken(load(rule_with("{ wait_event_type: [ 'LW*', /^Cl/, BufferPin, IPC ] }")));
  expect_warning(load(rule_with("{ wait_event_type: 'Locks*' }")), 3, 12,
                 "wait_event_type \"Locks*\" is not one of PostgreSQL's", "Did you mean \"Lock\"?");
}

TEST(Warnings, OfAQueryThatLooksLikeAWildcard) {
  constexpr std::string_view kHint =
      "Write .* for any text; the expression may match anywhere, so none is needed at its ends.";
  expect_warning(load(rule_with("{ query: 'COPY *' }")), 3, 12,
                 "query \"COPY *\" is a regular expression, in which * and ? are no wildcards", kHint);
  expect_warning(load(rule_with("{ query: 'select ?' }")), 3, 12,
                 "query \"select ?\" is a regular expression, in which * and ? are no wildcards", kHint);
  taken(load(rule_with("{ query: 'COPY .*' }")));
  taken(load(rule_with("{ query: '/COPY */' }")));
  taken(load(rule_with("{ query: copy }")));
}

TEST(Warnings, OfLimitsBelowTheCostOfALook) {
  expect_warning(load(rule_with("{ state: active, query_age: 99ms }", kTwo)), 3, 27,
                 "a limit of 99ms needs looks at the server many times a second",
                 "Below 100ms they cost more than they save; a look takes a millisecond or more.");
  taken(load(rule_with("{ state: active, query_age: 100ms }", kTwo)));
}

TEST(Warnings, OfACancelThatNothingFollows) {
  constexpr std::string_view kMessage = "no step follows the cancel, and a session can ignore it and go on";
  constexpr std::string_view kHint = "Add terminate as the next step, or alert to be notified.";
  const std::string match = "{ state: active, query_age: 1s }";
  expect_warning(load(rule_with(match, "[ alert, cancel: { after: 1s } ]")), 4, 22, kMessage, kHint);
  taken(load(rule_with(match, "[ cancel, alert ]")));
  taken(load(rule_with(match, "[ cancel ]") + "  repeat: { times: 3, within: 1min, then: terminate }\n"));
  expect_warning(load(rule_with(match, "[ cancel ]") + "  repeat: { times: 3, within: 1min, then: alert }\n"),
                 4, 15, kMessage, kHint);
}

TEST(Warnings, OfATerminateThatComesAtOnce) {
  constexpr std::string_view kMessage = "a session that matches is terminated as soon as it is seen";
  constexpr std::string_view kHint = "Add an age to match, such as state_age, unless that is meant.";
  expect_warning(load(rule_with("{ user: a }", "[ terminate ]")), 4, 15, kMessage, kHint);
  expect_warning(load(rule_with("{ blocks: 3 }", "[ alert, terminate: { after: 0s } ]")), 4, 22, kMessage,
                 kHint);
  taken(load(rule_with("{ user: a }", "[ alert, terminate ]")));
  taken(load(rule_with("{ user: a, state_age: 1s }", "[ terminate ]")));
  taken(load(rule_with("{ user: a, xmin_age: 1M }", "[ terminate ]")));
  taken(load(rule_with("{ blocks: { blocked_for: 5s } }", "[ terminate ]")));
  taken(load(rule_with("{ user: a }", "[ terminate ]") + "  keep: 10\n"));
}

TEST(Warnings, OfARepeatThatCountsNothing) {
  expect_warning(load(rule_with("{ user: a }") + "  repeat: { times: 3, within: 1min, then: pause }\n"), 5,
                 11, "repeat counts cancels and terminates, and this rule only alerts");
}

std::string with_except(std::string_view match, std::string_view except) {
  return rule_with(match) + "  except: " + std::string(except) + "\n";
}

TEST(Warnings, OfAnExceptionThatAnyClientCanClaim) {
  const auto expect_claim = [](std::string_view match, std::string_view entry, const std::string& fields) {
    expect_warning(load(with_except(match, "[ " + std::string(entry) + " ]")), 5, 13,
                   "this exception relies on " + fields + ", which any client can choose",
                   "Any client can escape the rule that way: name the user as well.");
  };
  expect_claim("{ query_age: 1s }", "{ application_name: etl }", "application_name");
  expect_claim("{ query_age: 1s }", "{ application_name: etl, query_age: 1h }", "application_name");
  expect_claim("{ query_age: 1s }", "{ query: '^vacuum', state: active }", "query");
  expect_claim("{ query_age: 1s }", "{ query_id: 7, query: x, application_name: a }",
               "application_name, query and query_id");
  // it connects to that database
  expect_claim("{ query_age: 1s }", "{ application_name: etl, database: etl }", "application_name");
  expect_claim("{ query_age: 1s }", "{ application_name: etl, user: '*' }", "application_name");
  expect_claim("{ user: /./, query_age: 1s }", "{ application_name: etl }", "application_name");
  taken(load(with_except("{ query_age: 1s }", "[ { user: a, application_name: etl } ]")));
  taken(load(with_except("{ query_age: 1s }", "[ { client_addr: local, query: x } ]")));
  // a session's state is not a name that it gives itself
  taken(load(with_except("{ query_age: 1s }", "[ { state: idle, wait_event: SyncRep } ]")));
  taken(load(with_except("{ query_age: 1s }", "[ { database: etl } ]")));
  // within one role, its own name can be trusted
  taken(load(with_except("{ user: svc, query_age: 1s }", "[ { application_name: etl } ]")));
  taken(load(with_except("{ client_addr: local, query_age: 1s }", "[ { application_name: etl } ]")));
}

TEST(Warnings, OfAProtectionThatAnyClientCanClaim) {
  constexpr std::string_view kHint = "Any client can escape every rule that way: name the user as well.";
  expect_warning(load("protect:\n- { application_name: etl }\n"), 2, 3,
                 "this protection relies on application_name, which any client can choose", kHint);
  expect_warning(load("protect:\n- { query: x, state: active }\n"), 2, 3,
                 "this protection relies on query, which any client can choose", kHint);
  taken(load("protect:\n- { application_name: etl, user: a }\n"));
  taken(load("protect:\n- { wait_event: SyncRep }\n"));
}

TEST(Warnings, OfGroupsThatAnyClientCanLeave) {
  const std::string message = "keep counts by application_name, which any client can choose";
  constexpr std::string_view kHint = "A client that changes it counts in another group. Write per: user.";
  const auto with = [](std::string_view match, std::string_view per) {
    return load(rule_with(match) + "  keep: 10\n  per: " + std::string(per) + "\n");
  };
  expect_warning(with("{ state_age: 1s }", "application_name"), 6, 8, message, kHint);
  expect_warning(with("{ state_age: 1s }", "[ user, application_name ]"), 6, 16, message, kHint);
  expect_warning(with("{ application_name: 'svc-*', state_age: 1s }", "application_name"), 6, 8, message,
                 kHint);
  expect_warning(with("{ state_age: 1s }", "query_id"), 6, 8,
                 "keep counts by query_id, which any client can choose", kHint);
  // a role can give each of its sessions another name, or count in another role's group
  expect_warning(with("{ user: eve, state_age: 1s }", "application_name"), 6, 8, message, kHint);
  expect_warning(with("{ client_addr: local, state_age: 1s }", "application_name"), 6, 8, message, kHint);
  expect_warning(with("{ application_name: [ a, b ], state_age: 1s }", "application_name"), 6, 8, message,
                 kHint);
  taken(with("{ state_age: 1s }", "[ user, client_addr ]"));
  // there is one group
  taken(with("{ application_name: a, state_age: 1s }", "application_name"));
  taken(with("{ query_id: 7, state_age: 1s }", "query_id"));
}

TEST(Warnings, OfARepeatThatAnyClientCanEscape) {
  const std::string message = "repeat counts by application_name, which any client can choose";
  constexpr std::string_view kHint = "A client that changes it is counted separately. Write per: user.";
  const auto with = [](std::string_view match, std::string_view per) {
    return load(rule_with(match, "[ cancel, terminate ]") +
                "  repeat: { times: 3, within: 1min, per: " + std::string(per) + ", then: terminate }\n");
  };
  expect_warning(with("{ state_age: 1s }", "application_name"), 5, 42, message, kHint);
  expect_warning(with("{ state_age: 1s }", "query_id"), 5, 42,
                 "repeat counts by query_id, which any client can choose", kHint);
  expect_warning(with("{ user: svc, state_age: 1s }", "application_name"), 5, 42, message, kHint);
  taken(with("{ state_age: 1s }", "user"));
  taken(with("{ application_name: svc, state_age: 1s }", "application_name"));
}

TEST(Warnings, OfWaitersThatAnyClientCanBe) {
  const auto expect_claim = [](std::string_view waiter, const std::string& fields) {
    expect_warning(load(rule_with("{ blocks: { blocked_for: 5s, " + std::string(waiter) + " } }", kTwo)), 3,
                   12, "blocks selects waiting sessions by " + fields + ", which any client can choose",
                   "Any client can turn the rule against a session that it waits for. Name the user of the "
                   "waiting sessions: blocks: { user: ... }.");
  };
  expect_claim("application_name: migration", "application_name");
  expect_claim("query: '^alter', state: active", "query");
  expect_claim("application_name: migration, user: '*'", "application_name");
  const auto taken_with = [](std::string_view waiter) {
    taken(load(rule_with("{ blocks: { blocked_for: 5s, " + std::string(waiter) + " } }", kTwo)));
  };
  taken_with("user: migrator, application_name: migration");
  taken_with("client_addr: local, query: alter");
  taken_with("backend_type: startup");
  taken_with("sessions: 3");
  // nobody is ended
  taken(load(rule_with("{ blocks: { application_name: a } }", "[ alert ]")));
}

TEST(Warnings, OfConnectionsThatOneTenantCanTake) {
  const auto with = [](std::string_view match, std::string_view more = "", std::string_view ladder = kTwo) {
    return load(rule_with(match, ladder) + "  when: { connections_used: 85% }\n" + std::string(more));
  };
  const auto expect_it = [&](std::string_view match, std::string_view more = "") {
    expect_warning(with(match, more), 5, 29,
                   "one user can use all connections, and this rule then ends the sessions of others",
                   "Count each user's own sessions (per: user, keep: 10), or name the user in match.");
  };
  const std::string all = "{ state: active, query_age: 1min }";
  expect_it(all);
  expect_it(all, "  keep: 10\n");
  expect_it(all, "  keep: 10\n  per: database\n");
  expect_it("{ user: '*', state: active, query_age: 1min }");
  taken(with(all, "  keep: 10\n  per: [ database, user ]\n"));
  taken(with(all, "  keep: 10\n  per: client_addr\n"));
  taken(with("{ user: worker, state: active, query_age: 1min }"));
  taken(with("{ client_addr: 10.0.0.0/8, state: active, query_age: 1min }"));
  // nobody is ended
  taken(with(all, "", "[ alert ]"));
  taken(load(rule_with(all, kTwo) + "  when: { role: primary }\n"));
}

TEST(Warnings, OfExceptionsThatNeverApplyOrAlways) {
  expect_warning(load(with_except("{ query_age: 1s }", "[ { user: 'a*' }, { user: ab, query_age: 1h } ]")), 5,
                 29, "this exception never applies",
                 "The one in line 5 comes first and matches the same sessions.");
  taken(load(with_except("{ query_age: 1s }", "[ { user: ab, query_age: 1h }, { user: 'a*' } ]")));
  expect_warning(load(with_except("{ user: [ a, b ], query_age: 1s }", "[ { user: [ c, b, a ] } ]")), 5, 13,
                 "this exception spares every session that the rule applies to");
  expect_warning(load(with_except("{ user: a, query_age: 1s }", "[ { user: a, query_age: 1h } ]")), 5, 13,
                 "this exception moves the limit of every session that the rule applies to");
}

TEST(Warnings, OfARuleForTheProtected) {
  const auto rule = rule_with("{ user: [ backup, restore ], query_age: 1s }");
  expect_warning(load(rule + "protect:\n- { user: [ backup, restore, dba ] }\n"), 3, 10,
                 "this rule never acts: every session that it applies to is protected",
                 "The entry of protect is at x.yaml:6.");
  taken(load(rule + "protect:\n- { user: backup }\n"));
  taken(load(rule + "protect:\n- { user: [ backup, restore ], database: a }\n"));
  expect_warning(load(rule_with("{ application_name: [ pg_dump, pg_restore ] }")), 3, 10,
                 "this rule never acts: every session that it applies to has the built-in protection dumps",
                 "unprotect: [dumps] in the main file switches it off.");
  taken(load(rule_with("{ application_name: [ pg_dump, psql ] }")));
  taken(
      load_main("servers: [ { name: db, conninfo: x } ]\nunprotect: [ dumps ]\n"
                "rules: [ { name: r, match: { application_name: pg_dump }, escalate: [ alert ] } ]\n"));
}

TEST(Warnings, OfProtectionsInAnotherFile) {
  const Source main{"main.yaml", main_with("")};
  const auto result = load_policy(main, {{"a.yaml", "protect: [ { user: 'a*' } ]\n"}});
  expect_warning(result, 2, 28, "this rule never acts: every session that it applies to is protected",
                 "The entry of protect is at a.yaml:1.");
  EXPECT_EQ(result.diagnostics.at(0).place.file, "main.yaml");
}

TEST(Warnings, AreNotMadeOfARuleWithErrors) {
  expect_error(load(rule_with("{ user: a, query_age: 10 }", "[ terminate ]")), 3, 32,
               "duration \"10\" lacks a unit",
               "The units are us, ms, s, min, h and d, as in 10min or 1h 30min.");
  expect_error(load(rule_with("{ state: active, query_age: 1s }", "[ cancel, terminat ]")), 4, 23,
               "unknown step \"terminat\"", "Did you mean \"terminate\"?");
}

Match match_of(std::string_view text) {
  return load("protect: [ " + std::string(text) + " ]\n").policy->protect.back();
}

bool covers_text(std::string_view wide, std::string_view narrow) {
  return covers(match_of(wide), match_of(narrow));
}

TEST(Covers, ByValueAndField) {
  EXPECT_TRUE(covers_text("{ user: a }", "{ user: a, database: b }"));
  EXPECT_FALSE(covers_text("{ user: a, database: b }", "{ user: a }"));
  EXPECT_FALSE(covers_text("{ database: a }", "{ user: a }"));
  EXPECT_TRUE(covers_text("{ state: [ idle, active ] }", "{ state: idle }"));
  EXPECT_FALSE(covers_text("{ state: idle }", "{ state: [ idle, active ] }"));
  EXPECT_TRUE(covers_text("{ query_id: [ 1, 2 ] }", "{ query_id: 2 }"));
  EXPECT_FALSE(covers_text("{ backend_type: client backend }", "{ backend_type: autovacuum worker }"));
}

TEST(Covers, ByPattern) {
  EXPECT_TRUE(covers_text("{ user: 'a*' }", "{ user: [ ab, 'ab*', 'a*c' ] }"));
  EXPECT_FALSE(covers_text("{ user: 'a*' }", "{ user: '*' }"));
  EXPECT_TRUE(covers_text("{ user: '*' }", "{ user: 'a?' }"));
  // one character is not any text
  EXPECT_FALSE(covers_text("{ user: 'a?' }", "{ user: 'a*' }"));
  EXPECT_TRUE(covers_text("{ user: /^a/ }", "{ user: ab }"));
  EXPECT_FALSE(covers_text("{ user: /^a/ }", "{ user: 'ab*' }"));
  EXPECT_TRUE(covers_text("{ user: /^a/ }", "{ user: /^a/ }"));
  EXPECT_FALSE(covers_text("{ user: '*' }", "{ user: /^a/ }"));
}

TEST(Covers, ByAddress) {
  EXPECT_TRUE(covers_text("{ client_addr: 10.0.0.0/8 }", "{ client_addr: 10.1.2.3 }"));
  EXPECT_FALSE(covers_text("{ client_addr: 10.0.0.0/8 }", "{ client_addr: [ 10.1.2.3, local ] }"));
  EXPECT_TRUE(covers_text("{ client_addr: [ local, 10.0.0.0/8 ] }", "{ client_addr: local }"));
  EXPECT_FALSE(covers_text("{ client_addr: 10.0.0.0/8 }", "{ client_addr: 10.1.0.0/16 }"));
}

}  // namespace
}  // namespace pgcurfew::testing
