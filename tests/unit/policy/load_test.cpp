#include <map>
#include <random>

#include <gtest/gtest.h>

#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

// The example of the manual, alert included.
constexpr std::string_view kExample = R"(mode: enforce                     # dry-run (the default) or enforce

servers:
  - name: orders
    conninfo: "host=db1,db2 dbname=postgres user=pgcurfew target_session_attrs=primary"
    labels: { env: prod }

protect:                          # no rule and no drain touches these
  - { user: backup, application_name: "pg_dump*" }

rules:
  - name: app-query-timeout
    description: Queries of the application end after ten minutes.
    match:                        # all must hold
      database: [app, "app_*"]    # a list: any of them; * and ? are wildcards; /re/ is a regular expression
      state: active
      query_age: 10min            # at least; a unit is required: us ms s min h d
    except:                       # the first that fits applies
      - { user: etl, query_age: 2h }        # a later limit for these
      - { application_name: "nightly-*" }   # none at all
    escalate:
      - cancel
      - terminate: { after: 30s }           # if it is still the same query then

  - name: forgotten-transactions
    match: { state: idle in transaction, state_age: 5min }
    escalate: [ alert, terminate: { after: 1min } ]
    mode: dry-run                 # a rule can only be milder than the file
)";

TEST(Load, TakesTheExampleOfTheManual) {
  const auto result = load_main(std::string(kExample));
  expect_warning(result, 20, 9, "this exception relies on application_name, which any client can choose",
                 "Any client can escape the rule that way: name the user as well.");
  const auto& policy = *result.policy;
  EXPECT_EQ(policy.mode, Mode::kEnforce);
  ASSERT_EQ(policy.servers.size(), 1U);
  EXPECT_EQ(policy.servers[0].labels.at("env"), "prod");
  ASSERT_EQ(own_protect(policy).size(), 1U);
  EXPECT_EQ(own_protect(policy)[0].conditions.size(), 2U);
  ASSERT_EQ(policy.rules.size(), 2U);
  const auto& timeout = policy.rules[0];
  EXPECT_EQ(timeout.mode, Mode::kEnforce);
  EXPECT_EQ(timeout.match.ages.at(0).limit, 10min);
  EXPECT_EQ(timeout.except.at(0).match.ages.at(0).limit, 2h);
  EXPECT_TRUE(timeout.except.at(1).match.ages.empty());
  const auto& forgotten = policy.rules[1];
  EXPECT_EQ(forgotten.mode, Mode::kDryRun);
  ASSERT_EQ(forgotten.escalate.size(), 2U);
  EXPECT_EQ(forgotten.escalate[0].kind, StepKind::kAlert);
  EXPECT_EQ(forgotten.escalate[1].after, 1min);
}

TEST(Load, JoinsDropInsInTheirOrder) {
  const Source main{"main.yaml", main_with("mode: enforce\nprotect: [ { user: a } ]\n")};
  const std::vector<Source> drop_ins = {
      {"10.yaml", "rules: [ { name: r10, match: { user: b }, escalate: [ alert ] } ]\n"},
      {"20.yaml", "protect: [ { user: c } ]\n"}};
  const auto policy = taken(load_policy(main, drop_ins));
  ASSERT_EQ(policy.rules.size(), 2U);
  EXPECT_EQ(policy.rules[1].name, "r10");
  EXPECT_EQ(policy.rules[1].mode, Mode::kEnforce);
  EXPECT_EQ(policy.rules[1].place.file, "10.yaml");
  EXPECT_EQ(own_protect(policy).size(), 2U);
}

TEST(Load, RefusesWordsOfTheMainFileInADropIn) {
  for (const std::string key :
       {"mode: enforce", "servers: []", "safety: {}", "report: {}", "timezone: UTC", "unprotect: []"}) {
    const auto word = key.substr(0, key.find(':'));
    expect_error(load(rule_with("{ user: a }") + key + "\n"), 5, 1,
                 "\"" + word + "\" is not allowed in a drop-in", "It belongs in the main file.");
  }
  expect_error(load(rule_with("{ user: a }") + "rulez: x\n"), 5, 1, "unknown key \"rulez\" in a drop-in",
               "Did you mean \"rules\"?");
}

TEST(Load, RefusesUnknownKeysInTheMainFile) {
  expect_error(load_main(main_with("exclude: x\n")), 3, 1, "unknown key \"exclude\" in the main file",
               "Did you mean \"protect\"?");
  expect_error(load_main(main_with("alerts: x\n")), 3, 1, "unknown key \"alerts\" in the main file",
               "Known here: mode, servers, timezone, protect, unprotect, rules, drains, safety, report, "
               "record, audit, "
               "web.");
}

TEST(Load, RefusesDuplicateRulesOverAllFiles) {
  const Source main{"main.yaml", main_with("")};
  const auto result =
      load_policy(main, {{"a.yaml", "rules: [ { name: r, match: { user: b }, escalate: [ alert ] } ]\n"}});
  expect_error(result, 1, 18, "duplicate rule \"r\"", "The other one is at main.yaml:2.");
  EXPECT_EQ(result.diagnostics.at(0).place.file, "a.yaml");
}

TEST(Load, ReportsTheErrorsOfAllFilesInTheirOrder) {
  const Source main{"main.yaml", main_with("safety: { share: 0% }\nmode: x\nprotect: [ {} ]\n")};
  const auto result = load_policy(main, {{"10.yaml", "protect: [ x\n"},
                                         {"20.yaml", "protect: [ { user: no } ]\nrules: []\n"},
                                         {"30.yaml", ""}});
  EXPECT_TRUE(result.has_errors());
  std::vector<std::string> places;
  for (const auto& said : result.diagnostics) {
    places.push_back(said.place.file + ":" + std::to_string(said.place.line));
  }
  EXPECT_EQ(places, (std::vector<std::string>{"main.yaml:3", "main.yaml:4", "main.yaml:5", "10.yaml:2",
                                              "20.yaml:1", "20.yaml:2", "30.yaml:0"}));
}

TEST(Load, JudgesDropInsWhenTheMainFileCannotBeRead) {
  const auto result = load_policy({"main.yaml", "a: [\n"}, {{"10.yaml", rule_with("{ user: no }")}});
  ASSERT_EQ(result.diagnostics.size(), 2U) << all_of(result);
  EXPECT_EQ(result.diagnostics[1].place.file, "10.yaml");
}

TEST(Load, WarnsWhenThereAreNoRules) {
  const auto result = load_main("servers: [ { name: a, conninfo: x } ]\n");
  expect_warning(result, 0, 0, "there are neither rules nor drains, so nothing will be done");
}

TEST(Load, StopsCountingAtTwoHundred) {
  std::string text = "protect:\n";
  for (int i = 0; i < 300; ++i) text += "- { user: no }\n";
  const auto result = load(text);
  EXPECT_TRUE(result.has_errors());
  ASSERT_EQ(result.diagnostics.size(), 201U);
  EXPECT_EQ(result.diagnostics.back().message, "there are more messages than are shown here");
}

std::string fingerprint(std::string_view text) {
  return only_rule(load(std::string(text))).fingerprint;
}

TEST(Load, FingerprintStaysWithTheMeaning) {
  const auto before = fingerprint(rule_with("{ user: a, query_age: 60s, state: active }"));
  EXPECT_EQ(before.size(), 16U);
  EXPECT_EQ(before, fingerprint("# moved\n\n" + rule_with("{ state: active, query_age: 1min, user: a }")));
  EXPECT_EQ(before, fingerprint(rule_with("{ user: [ \"a\" ], query_age: 60s, state: active }") +
                                "  description: x\n"));
  EXPECT_EQ(before,
            fingerprint(rule_with("{ user: a, query_age: 60s, state: active }", "[ alert: { after: 0s } ]")));
}

std::string repeating(std::string_view repeat) {
  return rule_with("{ user: a, query_id: 1 }", "[ cancel, alert ]") + "  repeat: { " + std::string(repeat) +
         " }\n";
}

TEST(Load, FingerprintChangesWithTheMeaning) {
  const auto base = rule_with("{ user: a }");
  const std::vector<std::string> texts = {base,
                                          rule_with("{ user: b }"),
                                          rule_with("{ database: a }"),
                                          rule_with("{ user: [ a, b ] }"),
                                          rule_with("{ user: \"a, b\" }"),
                                          rule_with("{ user: a, query_age: 1s }"),
                                          rule_with("{ user: a, query_age: 2s }"),
                                          rule_with("{ user: a, session_age: 2s }"),
                                          rule_with("{ user: a }", "[ cancel, alert ]"),
                                          rule_with("{ user: a }", "[ cancel: { after: 1s }, alert ]"),
                                          base + "  mode: dry-run\n",
                                          base + "  except: [ { user: b } ]\n",
                                          base + "  except: [ { user: c } ]\n",
                                          base + "  servers: [ a ]\n",
                                          base + "  servers: [ b ]\n",
                                          base + "  keep: 1\n",
                                          base + "  keep: 2\n",
                                          base + "  keep: 2\n  per: user\n",
                                          base + "  keep: 2\n  per: [ user, database ]\n",
                                          base + "  keep: 2\n  victims: all\n",
                                          base + "  at_most: 1\n",
                                          base + "  at_most: 2\n",
                                          base + "  pause: 1s\n",
                                          base + "  when: { role: primary }\n",
                                          base + "  when: { role: standby }\n",
                                          base + "  when: { connections_used: 85% }\n",
                                          base + "  when: { connections_used: 85.5% }\n",
                                          base + "  during: { days: mon, timezone: UTC }\n",
                                          base + "  not_during: { days: mon, timezone: UTC }\n",
                                          base + "  during: { days: tue, timezone: UTC }\n",
                                          base + "  during: { days: mon, timezone: Europe/Vienna }\n",
                                          base + "  during: { days: mon, from: \"01:00\", timezone: UTC }\n",
                                          base + "  during: { days: mon, to: \"01:00\", timezone: UTC }\n",
                                          repeating("times: 1, within: 1min, then: alert"),
                                          repeating("times: 2, within: 1min, then: alert"),
                                          repeating("times: 2, within: 2min, then: alert"),
                                          repeating("times: 2, within: 2min, then: pause"),
                                          repeating("times: 2, within: 2min, then: pause, per: query_id"),
                                          rule_with("{ user: a, xmin_age: 1M }"),
                                          rule_with("{ user: a, xmin_age: 2M }"),
                                          rule_with("{ user: a, blocks: 1 }"),
                                          rule_with("{ user: a, blocks: 2 }"),
                                          rule_with("{ user: a, blocks: { user: b } }"),
                                          rule_with("{ user: a, blocks: { user: [ b, c ] } }"),
                                          rule_with("{ user: a, blocks: { user: \"b, c\" } }"),
                                          rule_with("{ user: a, blocks: { user: b, sessions: 2 } }"),
                                          rule_with("{ user: a, blocks: { user: b, blocked_for: 1s } }"),
                                          rule_with("{ user: a, blocks: { user: b, blocked_for: 2s } }"),
                                          rule_with("{ user: a, blocks_for: 1s }"),
                                          rule_with("{ user: a, blocked_for: 1s }"),
                                          base + "protect: [ { user: b } ]\n",
                                          base + "protect: [ { user: c } ]\n"};
  std::map<std::string, std::string> seen;
  for (const auto& text : texts) {
    const auto [first, is_new] = seen.emplace(fingerprint(text), text);
    EXPECT_TRUE(is_new) << first->second << "and\n" << text;
  }
}

TEST(Load, FingerprintChangesWithTheBuiltInProtections) {
  const auto with = taken(load_main(main_with(""))).rules.at(0).fingerprint;
  EXPECT_NE(with, taken(load_main(main_with("unprotect: [ listeners ]\n"))).rules.at(0).fingerprint);
  EXPECT_NE(with, taken(load_main(main_with("unprotect: [ dumps ]\n"))).rules.at(0).fingerprint);
}

TEST(Load, VersionIsThatOfTheTextsAlone) {
  const auto version = [](const std::string& name, const std::string& text) {
    return load_policy({name, main_with("")}, {{name + "2", text}}).policy->version;
  };
  const auto first = version("a", "protect: [ { user: a } ]\n");
  EXPECT_EQ(first.size(), 12U);
  EXPECT_EQ(first.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(first, version("b", "protect: [ { user: a } ]\n"));
  EXPECT_NE(first, version("a", "protect: [ { user: b } ]\n"));
}

TEST(Load, KnowsAMainFileByItsWords) {
  EXPECT_TRUE(looks_like_main_file({"x", main_with("")}));
  EXPECT_TRUE(looks_like_main_file({"x", "{ mode: enforce }\n"}));
  EXPECT_TRUE(looks_like_main_file({"x", "rules: [\nservers:\n  - x: y: z\n"}));
  EXPECT_FALSE(looks_like_main_file({"x", rule_with("{ user: a }")}));
  EXPECT_FALSE(looks_like_main_file({"x", "rules: [\n"}));
  EXPECT_FALSE(looks_like_main_file({"x", ""}));
}

// Any single damage to a file is refused or harmless; it must not crash, and the messages must be printable.
TEST(Load, SurvivesDamagedFiles) {
  std::mt19937 random(20261123);  // NOLINT(cert-msc51-cpp): the same damage on each run
  static constexpr char kLiteral[] = "\0\x04\t\n #&*!|>'\"%@`{}[],:-?~\\\xFF\xC3\x80 0a";
  constexpr std::string_view kBytes(kLiteral, sizeof(kLiteral) - 1);
  for (int i = 0; i < 3000; ++i) {
    std::string text(kExample);
    for (int j = 0; j < 1 + i % 5; ++j) {
      const auto at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = kBytes[random() % kBytes.size()];
          break;
        case 1:
          text.insert(at, 1, kBytes[random() % kBytes.size()]);
          break;
        default:
          text.resize(at + 1);
      }
    }
    const auto result = load_main(text);
    EXPECT_TRUE(result.policy || !result.diagnostics.empty());
    for (const auto& said : result.diagnostics) EXPECT_TRUE(render(said).ends_with('\n'));
  }
}

}  // namespace
}  // namespace pgcurfew::testing
