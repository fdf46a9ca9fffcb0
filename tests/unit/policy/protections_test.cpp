#include "policy/protections.hpp"

#include <algorithm>
#include <iterator>

#include <gtest/gtest.h>

#include "policy/advice/claims.hpp"
#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

const TextTest& texts_of(std::string_view protection, Field field) {
  for (const auto& condition : protection_named(protection)->match.conditions) {
    if (condition.field == field) return std::get<TextTest>(condition.test);
  }
  static const TextTest kNone;
  ADD_FAILURE() << protection << " has no such condition";
  return kNone;
}

bool fits(std::string_view protection, Field field, std::string_view text) {
  const auto& patterns = texts_of(protection, field).any_of;
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const TextPattern& pattern) { return pattern.matches(text); });
}

std::vector<std::string> built_in(const Policy& policy) {
  std::vector<std::string> names;
  for (const auto& match : policy.protect) {
    if (!match.protection.empty()) names.push_back(match.protection);
  }
  return names;
}

const std::vector<std::string> kAll = {"dumps",    "backups",          "agents",
                                       "sync-rep", "concurrent-index", "listeners"};

TEST(Protections, AreAllOnUnlessSwitchedOffByName) {
  EXPECT_EQ(built_in(taken(load_main(main_with("")))), kAll);
  EXPECT_EQ(built_in(taken(load(rule_with("{ user: a }")))), kAll);
  const auto policy = taken(load_main(main_with("unprotect: [ listeners, dumps ]\n")));
  EXPECT_EQ(built_in(policy),
            (std::vector<std::string>{"backups", "agents", "sync-rep", "concurrent-index"}));
  EXPECT_EQ(policy.unprotect, (std::vector<std::string>{"listeners", "dumps"}));
  EXPECT_EQ(built_in(taken(load_main(main_with("unprotect: agents\n")))).size(), 5U);
}

TEST(Protections, StandBeforeTheUsers) {
  const auto policy = taken(load_main(main_with("protect: [ { user: a } ]\n")));
  ASSERT_EQ(policy.protect.size(), kAll.size() + 1);
  EXPECT_TRUE(policy.protect.back().protection.empty());
}

TEST(Protections, RefuseUnknownNames) {
  expect_error(load_main(main_with("unprotect: [ listener ]\n")), 3, 14,
               "unknown built-in protection \"listener\"", "Did you mean \"listeners\"?");
  expect_error(load_main(main_with("unprotect: [ everything ]\n")), 3, 14,
               "unknown built-in protection \"everything\"",
               "It is dumps, backups, agents, sync-rep, concurrent-index or listeners.");
  expect_error(load_main(main_with("unprotect: [ dumps, dumps ]\n")), 3, 21,
               "\"dumps\" appears twice in \"unprotect\"");
  expect_error(load_main(main_with("unprotect: []\n")), 3, 12, "\"unprotect\" is empty",
               "Leave the key out if it should not matter.");
}

TEST(Protections, HaveTheirNamesInOrder) {
  std::vector<std::string> names(protection_names().begin(), protection_names().end());
  EXPECT_EQ(names, kAll);
  names.clear();
  for (const auto& protection : all_protections()) {
    names.emplace_back(protection.name);
    EXPECT_EQ(protection.match.protection, protection.name);
    EXPECT_FALSE(protection.match.conditions.empty());
    EXPECT_TRUE(protection.match.ages.empty());
  }
  EXPECT_EQ(names, kAll);
  EXPECT_EQ(protection_named("walsenders"), nullptr);
}

TEST(Protections, CanAllBeClaimedButForAWaitThatTheServerShows) {
  for (const auto& protection : all_protections()) {
    const auto* expected = protection.name == "sync-rep" ? ""
                           : protection.name == "concurrent-index" || protection.name == "listeners"
                               ? "query"
                               : "application_name";
    EXPECT_EQ(claimable_fields(protection.match), expected) << protection.name;
  }
}

TEST(Protections, KnowTheToolsByTheNamesThatTheyGiveThemselves) {
  for (const auto* name : {"pg_dump", "pg_dumpall", "pg_restore"}) {
    EXPECT_TRUE(fits("dumps", Field::kApplicationName, name)) << name;
  }
  for (const auto* name : {"pg_basebackup", "pgBackRest [backup]", "barman", "barman_streaming_backup",
                           "barman_receive_wal", "wal-g", "pg_probackup", "pgcopydb[54] copy worker"}) {
    EXPECT_TRUE(fits("backups", Field::kApplicationName, name)) << name;
  }
  for (const auto* name : {"Patroni", "Patroni heartbeat", "repmgr", "repmgrd"}) {
    EXPECT_TRUE(fits("agents", Field::kApplicationName, name)) << name;
  }
  for (const auto* name : {"psql", "my pg_dump", "patronise", ""}) {
    EXPECT_FALSE(fits("dumps", Field::kApplicationName, name)) << name;
    EXPECT_FALSE(fits("backups", Field::kApplicationName, name)) << name;
    EXPECT_FALSE(fits("agents", Field::kApplicationName, name)) << name;
  }
}

TEST(Protections, KnowAConcurrentIndexInAllItsSpellings) {
  for (const auto* text : {
           "create index concurrently i on t (a)",
           "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)",
           "create index concurrently on t (a)",
           "  \n\t-- a comment\n/* and * another **/ create/**/index/* x */concurrently i on t (a)",
           "REINDEX INDEX CONCURRENTLY i",
           "reindex table concurrently t",
           "reindex (verbose, concurrently) table t",
           "REINDEX(CONCURRENTLY)INDEX i",
           "reindex (verbose) database concurrently d",
           "drop index concurrently i",
           "-- only a comment\ndrop index concurrently if exists i",
           "-- only a comment\rdrop index concurrently i",
           "/*/ a / and * another **//***/ drop index concurrently i",
           "reindex (concurrently true) table t",
           "REINDEX (CONCURRENTLY ON, VERBOSE) TABLE t",
           "reindex (verbose false, concurrently 1) index i",
           "reindex (tablespace fast, concurrently 'on') schema s",
           "reindex (tablespace \"a)b\", concurrently /* false */) table t",
           "reindex (verbose) table concurrently t",
           "reindex (concurrently, verbose) table concurrently t",
           "reindex (concurrently) system",
           "drop index concurrently i;",
           "drop index concurrently i ; -- the end; of it\n;",
           "create index concurrently i on t (a) where b = 'x;y' and \"c;d\" > 1;",
           "create index concurrently i on t (a) -- that's all; it is",
           "create index concurrently i on t (a) where b = 'cut in its mid",
       }) {
    EXPECT_TRUE(fits("concurrent-index", Field::kQuery, text)) << text;
  }
}

TEST(Protections, TakeNothingElseForAConcurrentIndex) {
  for (const auto* text : {
           "create index i on t (a)",
           "create index concurrently_i on t (a)",
           "drop index concurrently_i",
           "reindex table concurrently_t",
           "reindex table t",
           "reindex (verbose) table t",
           "select 1; create index concurrently i on t (a)",
           "select 'create index concurrently i on t (a)'",
           "/* create index concurrently */ select 1",
           "-- create index concurrently i on t (a)\nselect 1",
           "refresh materialized view concurrently v",
           "createindex concurrently i on t (a)",
           "reindex (concurrently false) table mine; select pg_sleep(9)",
           "reindex (concurrently false) table mine",
           "reindex (concurrently off) table mine",
           "reindex (concurrently 0) table mine",
           "reindex (concurrently 'false') table mine",
           "reindex (concurrently, concurrently false) table mine",
           "reindex (concurrently, \"concurrently\" false) table mine",
           "reindex (verbose /* concurrently */) table mine; select pg_sleep(9)",
           "reindex (verbose /* concurrently */) table mine",
           "reindex (verbose /* ) table concurrently */) table mine",
           "reindex (verbose -- , concurrently\n) table mine",
           "reindex (tablespace 'a\\', concurrently, verbose ') table mine",
           "reindex (tablespace \"concurrently\") table mine",
           "reindex (tablespace concurrently) table mine",
           "reindexindex concurrently i",
           "create index concurrently i on t (a); select pg_sleep(9)",
           "drop index concurrently i; select ';'",
           "reindex table concurrently t; drop index concurrently i",
           "/* /* */ create index concurrently */ select pg_sleep(3600)",
           "/*/**/ create index concurrently */ select pg_sleep(3600)",
           "/* a/*/ create index concurrently */ */ select pg_sleep(3600)",
           "-- a comment ends here\r select pg_sleep(3600);\ncreate index concurrently i on t (a)",
           "",
       }) {
    EXPECT_FALSE(fits("concurrent-index", Field::kQuery, text)) << text;
  }
}

TEST(Protections, KnowListeners) {
  EXPECT_TRUE(fits("listeners", Field::kQuery, "LISTEN jobs"));
  EXPECT_TRUE(fits("listeners", Field::kQuery, " /* x */ listen \"jobs\""));
  EXPECT_FALSE(fits("listeners", Field::kQuery, "select 'listen'"));
  EXPECT_FALSE(fits("listeners", Field::kQuery, "listening"));
  EXPECT_FALSE(fits("listeners", Field::kQuery, "unlisten *"));
  EXPECT_FALSE(fits("listeners", Field::kQuery, "/* /* */ listen */ select 1"));
}

TEST(Protections, OfStatementsHoldInTheirStateAlone) {
  const auto state_of_protection = [](std::string_view name) {
    for (const auto& condition : protection_named(name)->match.conditions) {
      if (const auto* states = std::get_if<StateTest>(&condition.test)) return states->any_of;
    }
    return std::vector<State>{};
  };
  EXPECT_EQ(state_of_protection("concurrent-index"), std::vector<State>{State::kActive});
  EXPECT_EQ(state_of_protection("listeners"), std::vector<State>{State::kIdle});
}

}  // namespace
}  // namespace pgcurfew::testing
