#include <gtest/gtest.h>

#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kServersExample =
    "A server is written as in - { name: orders, conninfo: \"host=db1\" }.";

/// A main file whose `servers` begin in line 2.
std::string with_servers(std::string_view servers) {
  return "rules: [ { name: r, match: { user: app }, escalate: [ alert ] } ]\nservers: " +
         std::string(servers) + "\n";
}

TEST(Settings, ReadsServers) {
  const auto policy = taken(load_main(with_servers(
      "[ { name: db-1.a, conninfo: \"host=a password='x y'\", labels: { env: prod, tier: \"1\" } }, "
      "{ name: b, conninfo: host=b } ]")));
  ASSERT_EQ(policy.servers.size(), 2U);
  EXPECT_EQ(policy.servers[0].name, "db-1.a");
  EXPECT_EQ(policy.servers[0].conninfo, "host=a password='x y'");
  EXPECT_EQ(policy.servers[0].labels, (std::map<std::string, std::string>{{"env", "prod"}, {"tier", "1"}}));
  EXPECT_EQ(policy.servers[0].conninfo_place.column, 38U);
  EXPECT_EQ(policy.servers[1].place.line, 2U);
}

TEST(Settings, TakesConninfoOverSeveralLines) {
  const auto policy = taken(load_main(with_servers("\n- name: a\n  conninfo: >-\n    host=a\n    user=b")));
  EXPECT_EQ(policy.servers.at(0).conninfo, "host=a user=b");
}

TEST(Settings, NeedsServers) {
  expect_error(load_main("rules: [ { name: r, match: { user: app }, escalate: [ alert ] } ]\n"), 0, 0,
               "the main file names no \"servers\"", "Add servers: with a name and a conninfo for each.");
  expect_error(load_main(with_servers("[]")), 2, 10, "\"servers\" is empty", kServersExample);
  expect_error(load_main(with_servers("")), 2, 1, "\"servers\" has no value", kServersExample);
  expect_error(load_main(with_servers("{ name: a }")), 2, 10, "\"servers\" has to be a list, not a mapping",
               kServersExample);
}

TEST(Settings, RefusesIncompleteServers) {
  expect_error(load_main(with_servers("[ { conninfo: host=a } ]")), 2, 12, "a server has no \"name\"",
               kServersExample);
  expect_error(load_main(with_servers("[ { name: a } ]")), 2, 12, "a server has no \"conninfo\"",
               kServersExample);
  expect_error(load_main(with_servers("[ { name: a, conninfo: \"\" } ]")), 2, 33, "\"conninfo\" is empty");
}

TEST(Settings, RefusesBadServers) {
  expect_error(load_main(with_servers("[ { name: a b, conninfo: x } ]")), 2, 20, "invalid name \"a b\"",
               "It takes letters, digits, _, - and ., at most 63 of them.");
  expect_error(load_main(with_servers("[ { name: a, conninfo: x }, { name: a, conninfo: z } ]")), 2, 46,
               "duplicate server \"a\"", "The other one is in line 2.");
  expect_error(load_main(with_servers("[ { name: a, conninfo: x, tags: { a: b } } ]")), 2, 36,
               "unknown key \"tags\" in a server", "Did you mean \"labels\"?");
  expect_error(load_main(with_servers("[ { name: a, conninfo: x, port: 5432 } ]")), 2, 36,
               "unknown key \"port\" in a server", "Did you mean \"conninfo\"?");
  expect_error(load_main(with_servers("[ { name: a, conninfo: x, labels: { tier: 1 } } ]")), 2, 52,
               "\"tier\" is a number without quotes: 1", "Write \"1\" if it is a text.");
  expect_error(load_main(with_servers("[ { name: a, conninfo: x, labels: {} } ]")), 2, 44,
               "\"labels\" is empty", "Labels are written as in { env: prod }.");
}

TEST(Settings, NeverShowPasswords) {
  for (const std::string secret : {"host=a PASSWORD = geheim", "postgresql://u:geheim@h/db"}) {
    const auto result = load_main(with_servers("[ { name: a, dsn: \"" + secret + "\" } ]"));
    EXPECT_EQ(all_of(result).find("geheim"), std::string::npos) << all_of(result);
    const auto as_name = load_main(with_servers("[ { name: \"" + secret + "\", conninfo: x } ]"));
    EXPECT_EQ(all_of(as_name).find("geheim"), std::string::npos) << all_of(as_name);
  }
}

/// Rests of a connection string that a slip has made into something else.
TEST(Settings, NeverShowWhatMayBeTheRestOfAConninfo) {
  for (const std::string servers :
       {"[ { name: a, conninfo: host=b password=x,geheim } ]",
        "[ { name: a, conninfo: host=b password=x,geheim, geheim } ]",
        "[ { name: a, conninfo: host=b password=x,&geheim } ]",
        "[ { name: a, conninfo: host=b password=x: geheim } ]",
        "[ { name: a, conninfo: host=b password=x},geheim } ]",
        "[ { name: a, conninf: host=b pasword=geheim } ]",
        "[ { name: a, \"conninfo\" : host=b pasword=geheim, x: } ]",
        "\n- name: a\n  conninfo: host=b\n    password=x\n    geheim: y",
        "\n- name: a\n  dsn: host=b\n   geheim\n x",
        "[ { name: a, conninfo:\n host=b pasword=geheim, x\n geheim: 1,\ngeheim: } ]",
        "\n- name: a\n  conninfo: |\n    host=b\n\tgeheim\n  x",
        "[ { name: a, conninfo: \"host=b pasword=geheim }", "[ { name: host=b pasword=geheim, x: } ]"}) {
    const auto result = load_main(with_servers(servers));
    EXPECT_NE(all_of(result), "") << servers;
    EXPECT_EQ(all_of(result).find("geheim"), std::string::npos) << all_of(result);
    const auto misspelt = load_main("server: " + servers + "\n");
    EXPECT_EQ(all_of(misspelt).find("geheim"), std::string::npos) << all_of(misspelt);
  }
}

TEST(Settings, SayHowTheRestOfAConninfoIsMeant) {
  expect_error(load_main(with_servers("[ { name: a, conninfo: host=b password=x,geheim } ]")), 2, 51,
               "unknown key in a server", "A text that holds a comma is written in quotes.");
}

TEST(Settings, HaveDefaults) {
  const auto policy = taken(load_main(main_with("")));
  EXPECT_EQ(policy.mode, Mode::kDryRun);
  EXPECT_EQ(policy.safety.signals, 20);
  EXPECT_EQ(policy.safety.per, 1min);
  EXPECT_EQ(policy.safety.share, 0.25);
  EXPECT_EQ(policy.safety.quiet, 1min);
  EXPECT_EQ(policy.query_text, QueryText::kRedacted);
}

TEST(Settings, ReadsTheBoundsOfTheRecord) {
  const RecordBounds defaults;
  EXPECT_EQ(load_main(main_with("")).policy->record, defaults);
  EXPECT_EQ(defaults.keep, 30 * 24h);
  EXPECT_EQ(defaults.size, std::int64_t{1} << 30U);
  EXPECT_FALSE(defaults.is_required);
  const auto given = load_main(main_with("record: { keep: 2d, size: 100 MB, required: true }\n"));
  EXPECT_EQ(given.policy->record, (RecordBounds{48h, std::int64_t{100} << 20U, true}));
  for (const auto* wrong :
       {"keep: 1h", "size: 1MB", "size: 100", "required: yes", "required: \"true\"", "dir: x"}) {
    EXPECT_TRUE(load_main(main_with(fmt::format("record: {{ {} }}\n", wrong))).has_errors()) << wrong;
  }
}

TEST(Settings, ReadsThePlacesOfAudit) {
  const auto given = load_main(main_with(
      "audit:\n- journald\n- file: { path: /a/b, rotate: 1GB, keep: 3 }\n- table: { conninfo: host=c }\n"
      "- file: { path: /a/c }\n"));
  ASSERT_TRUE(given.policy) << all_of(given);
  const auto& audit = given.policy->audit;
  ASSERT_EQ(audit.size(), 4U);
  EXPECT_EQ(audit[0].kind, AuditTarget::Kind::kJournald);
  EXPECT_EQ(audit[1].kind, AuditTarget::Kind::kFile);
  EXPECT_EQ(audit[1].path, "/a/b");
  EXPECT_EQ(audit[1].rotate, std::int64_t{1} << 30U);
  EXPECT_EQ(audit[1].keep, 3U);
  EXPECT_EQ(audit[2].kind, AuditTarget::Kind::kTable);
  EXPECT_EQ(audit[2].conninfo, "host=c");
  EXPECT_EQ(audit[3].rotate, std::int64_t{100} << 20U);
  EXPECT_EQ(audit[3].keep, 10U);
  EXPECT_FALSE(is_same(audit[1], audit[3]));
  EXPECT_TRUE(is_same(audit[1], audit[1]));
  for (const auto* wrong :
       {"- syslog", "- file: { path: a }", "- file: { path: /a/ }", "- file: { rotate: 1GB }",
        "- file: { path: /a, keep: 0 }", "- table: { path: /a }", "- journald\n- journald",
        "- file: { path: /a }\n- file: { path: /a, keep: 3 }",
        "- { file: { path: /a }, table: { conninfo: b } }"}) {
    EXPECT_TRUE(load_main(main_with(fmt::format("audit:\n{}\n", wrong))).has_errors()) << wrong;
  }
}

TEST(Settings, ReadsWhereTheWebServerListens) {
  EXPECT_FALSE(load_main(main_with("")).policy->web);
  const auto given = load_main(main_with("web: { listen: \"127.0.0.1:9187\" }\n"));
  ASSERT_TRUE(given.policy->web);
  EXPECT_EQ(to_text(given.policy->web->listen), "127.0.0.1:9187");
  const auto bare = load_main(main_with("web: { listen: unix:/run/pgcurfew/web.sock }\n"));
  ASSERT_TRUE(bare.policy->web);
  EXPECT_EQ(bare.policy->web->listen.path, "/run/pgcurfew/web.sock");
  for (const auto* wrong : {"", "listen: 9187", "listen: \"0.0.0.0:9187\"", "listen: \"db1:9187\"",
                            "listen: [\"127.0.0.1:9187\"]", "port: 9187", "listen: unix:web.sock"}) {
    EXPECT_TRUE(load_main(main_with(fmt::format("web: {{ {} }}\n", wrong))).has_errors()) << wrong;
  }
}

TEST(Settings, ReadsWhoMayReadFromTheWebServer) {
  constexpr const char* kTls = "tls: { certificate: /x/crt, key: /x/key }";
  constexpr const char* kAuth = "basic_auth: { user: prometheus, password_file: /x/password }";
  const auto web = [](std::string_view listen, std::string_view more) {
    return load_main(main_with(fmt::format("web: {{ listen: \"{}\", {} }}\n", listen, more)));
  };
  const auto both = fmt::format("{}, {}", kTls, kAuth);
  for (const auto* listen : {"0.0.0.0:9187", "10.0.0.7:9187", "[::]:9187", "127.0.0.1:9187"}) {
    const auto taken = web(listen, both);
    ASSERT_FALSE(taken.has_errors()) << listen << all_of(taken);
    EXPECT_EQ(*taken.policy->web,
              (WebSettings{taken.policy->web->listen, "/x/crt", "/x/key", "prometheus", "/x/password"}));
  }
  for (const auto* one : {kTls, kAuth}) {
    EXPECT_FALSE(web("127.0.0.1:9187", one).has_errors()) << one;
    expect_error(
        web("10.0.0.7:9187", one), 3, 16, "other machines could reach 10.0.0.7:9187",
        "That needs \"tls\" and \"basic_auth\". Or listen on 127.0.0.1, and let a reverse proxy (nginx, "
        "HAProxy) add both.");
  }
  EXPECT_FALSE(web("unix:/x/sock", kAuth).has_errors());
  EXPECT_TRUE(web("unix:/x/sock", kTls).has_errors());
  for (const auto* wrong :
       {"tls: { certificate: /x/crt }", "tls: { key: /x/key }", "tls: {}",
        "tls: { certificate: crt, key: /x/key }", "tls: { certificate: /x/, key: /x/key }",
        "basic_auth: { user: x }", "basic_auth: { password_file: /x/y }",
        "basic_auth: { user: \"a:b\", password_file: /x/y }",
        "basic_auth: { user: \"\", password_file: /x/y }"}) {
    EXPECT_TRUE(web("127.0.0.1:9187", wrong).has_errors()) << wrong;
  }
}

TEST(Settings, ReadsSafety) {
  const auto policy =
      taken(load_main(main_with("safety: { signals: \"100 per 1h 30min\", share: 12.5%, quiet: 5min }\n")));
  EXPECT_EQ(policy.safety.signals, 100);
  EXPECT_EQ(policy.safety.per, 90min);
  EXPECT_EQ(policy.safety.share, 0.125);
  EXPECT_EQ(policy.safety.quiet, 5min);
  EXPECT_EQ(taken(load_main(main_with("safety: { share: 100% }\n"))).safety.share, 1.0);
}

TEST(Settings, RefusesBadSafety) {
  constexpr std::string_view kRate = "It is written as in 20 per 1min.";
  for (const std::string text : {"20", "per 1min", "20 per 1", "20per 1min", "x per 1min"}) {
    expect_error(load_main(main_with("safety: { signals: " + text + " }\n")), 3, 20,
                 "\"" + text + "\" is not a number of signals in a time", kRate);
  }
  for (const std::string text :
       {"0 per 1min", "10001 per 1min", "-1 per 1min", "20 per 999ms", "20 per 25h"}) {
    expect_error(load_main(main_with("safety: { signals: " + text + " }\n")), 3, 20,
                 "\"signals\" of " + text + " is out of range", "It takes 1 to 10000 signals per 1s to 1d.");
  }
  constexpr std::string_view kShare = "It is a share of the client sessions, from 1% to 100%.";
  for (const std::string text : {"25", "0.25", "x%", "25 %"}) {
    expect_error(load_main(main_with("safety: { share: " + text + " }\n")), 3, 18,
                 "\"" + text + "\" is not a percentage", kShare);
  }
  for (const std::string text : {"0%", "0.5%", "101%", "-5%", "nan%", "inf%"}) {
    expect_error(load_main(main_with("safety: { share: " + text + " }\n")), 3, 18,
                 "\"share\" of " + text + " is out of range", kShare);
  }
  expect_error(load_main(main_with("safety: { quiet: 2d }\n")), 3, 18, "\"quiet\" of 2d is out of range",
               "It takes 1s to 1d.");
  expect_error(load_main(main_with("safety: { rate: 2 }\n")), 3, 11, "unknown key \"rate\" in safety",
               "Did you mean \"signals\"?");
  expect_error(load_main(main_with("safety: {}\n")), 3, 9, "\"safety\" is empty",
               "Bounds are written as in { signals: 20 per 1min, share: 25%, quiet: 1min }.");
}

TEST(Settings, ReadsReport) {
  EXPECT_EQ(taken(load_main(main_with("report: { query_text: full }\n"))).query_text, QueryText::kFull);
  EXPECT_EQ(taken(load_main(main_with("report: { query_text: none }\n"))).query_text, QueryText::kNone);
  EXPECT_FALSE(taken(load_main(main_with("report: { query_text: full }\n"))).tells_server_log);
  EXPECT_TRUE(taken(load_main(main_with("report: { server_log: true }\n"))).tells_server_log);
  expect_error(load_main(main_with("report: { query_text: all }\n")), 3, 23, "unknown query_text \"all\"",
               "It is redacted, full or none.");
  expect_error(load_main(main_with("report: { query: full }\n")), 3, 11, "unknown key \"query\" in report",
               "Known here: query_text, server_log.");
}

TEST(Settings, RefusesUnknownModes) {
  constexpr std::string_view kEnforce = "Did you mean \"enforce\"?";
  constexpr std::string_view kDryRun = "Did you mean \"dry-run\"?";
  expect_error(load_main(main_with("mode: enforced\n")), 3, 7, "unknown mode \"enforced\"", kEnforce);
  expect_error(load_main(main_with("mode: on\n")), 3, 7, "unknown mode \"on\"", kEnforce);
  expect_error(load_main(main_with("mode: off\n")), 3, 7, "unknown mode \"off\"", kDryRun);
  expect_error(load_main(main_with("mode: 1\n")), 3, 7, "unknown mode \"1\"", "It is dry-run or enforce.");
}

}  // namespace
}  // namespace pgcurfew::testing
