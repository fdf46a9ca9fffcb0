// What YAML and yaml-cpp would accept, but a policy must not.

#include <gtest/gtest.h>

#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

TEST(YamlTrap, RefusesDuplicateKeys) {
  expect_error(load(rule_with("{ user: app, state: active, user: etl }")), 3, 38, "duplicate key \"user\"",
               "It is already in line 3.");
  expect_error(load("protect: [ { user: a } ]\nprotect: [ { user: b } ]\n"), 2, 1,
               "duplicate key \"protect\"", "It is already in line 1.");
}

TEST(YamlTrap, RefusesAliasesAndAnchors) {
  const auto result = load("protect:\n- &x { user: a }\n- *x\n");
  expect_said(result, Severity::kError, 2, 3, "anchors are not allowed: \"&x\"",
              "Write the value out at each of its places.");
  expect_said(result, Severity::kError, 3, 3, "aliases are not allowed", "Write the value out here.");
  EXPECT_EQ(result.diagnostics.size(), 2U);
}

TEST(YamlTrap, RefusesAliasesOfNothing) {
  expect_error(load("protect: *x\n"), 1, 10, "not valid YAML: the referenced anchor is not defined",
               "A text that begins with * or & is written in quotes: \"*_app\".");
}

/// The hint of the first message.
std::string hint_of(const LoadResult& result) {
  return result.diagnostics.empty() ? "nothing" : result.diagnostics.front().hint;
}

TEST(YamlTrap, SaysOfCommonSlipsWhatWasMeant) {
  constexpr auto kQuotes = "A text that begins with * or & is written in quotes: ";
  EXPECT_EQ(hint_of(load("protect:\n- { user: * }\n")), std::string(kQuotes) + "\"*\".");
  EXPECT_EQ(hint_of(load("protect:\n- user: *app\n")), std::string(kQuotes) + "\"*_app\".");
  constexpr auto kTabs = "Indent with spaces, never with tabs.";
  EXPECT_EQ(hint_of(load("protect:\n\t- user: app\n")), kTabs);
  EXPECT_EQ(hint_of(load("rules:\n- name: r\n  match:\n\t  user: a\n")), kTabs);
  constexpr auto kMarks = "A text that begins with @, `, % or a tab is written in quotes.";
  EXPECT_EQ(hint_of(load("protect:\n- user: %app\n")), kMarks);
  EXPECT_EQ(hint_of(load("protect:\n- user: @app\n")), kMarks);
  constexpr auto kBlank = "A blank follows the colon: \"key: value\".";
  EXPECT_EQ(hint_of(load("protect:\n- user:app\n  database: b\n")), kBlank);
  EXPECT_EQ(hint_of(load("protect:\n- { user:app }\n")), kBlank);
  EXPECT_EQ(hint_of(load("protect:\n- user: a\n  application_name: b: c\n")),
            "A text that holds a colon and a blank is written in quotes.");
}

TEST(YamlTrap, SurvivesCyclicAnchors) {
  const auto result = load("protect: &x [ { user: a }, *x ]\n");
  EXPECT_TRUE(result.has_errors());
  expect_said(result, Severity::kError, 1, 28, "aliases are not allowed", "Write the value out here.");
}

TEST(YamlTrap, SurvivesBillionLaughs) {
  std::string text = "a0: &a0 [ x, x ]\n";
  for (int i = 1; i < 30; ++i) {
    text.append("a" + std::to_string(i)).append(": &a" + std::to_string(i));
    text.append(" [ *a" + std::to_string(i - 1)).append(", *a" + std::to_string(i - 1)).append(" ]\n");
  }
  EXPECT_TRUE(load(text).has_errors());
}

TEST(YamlTrap, RefusesMergeKeys) {
  expect_error(load("protect:\n- <<: { user: a }\n"), 2, 3, "merge keys are not allowed",
               "Write the values out here.");
}

TEST(YamlTrap, RefusesTags) {
  constexpr std::string_view kHint = "Quote a text that YAML would take for something else.";
  expect_error(load(rule_with("{ user: !!str no }")), 3, 18, "tags are not allowed", kHint);
  expect_error(load(rule_with("{ user: ! no }")), 3, 18, "tags are not allowed", kHint);
  expect_error(load(rule_with("{ user: !x [ a ] }")), 3, 18, "tags are not allowed", kHint);
}

TEST(YamlTrap, RefusesASecondDocument) {
  expect_error(load("protect: [ { user: a } ]\n---\nrules: []\n"), 2, 1, "a second document begins here",
               "Give each document a file of its own.");
}

TEST(YamlTrap, RefusesTextAfterTheEnd) {
  expect_error(load("- a\nrules: []\n"), 2, 1, "the file should have ended before this",
               "Look for a wrong indentation or a bracket too many.");
  expect_error(load("{ protect: [ { user: a } ] } rules\n"), 1, 30, "the file should have ended before this",
               "Look for a wrong indentation or a bracket too many.");
}

TEST(YamlTrap, RefusesTruthValuesAsNames) {
  for (const std::string word : {"no", "off", "yes", "On", "TRUE", "n"}) {
    expect_error(load(rule_with("{ user: " + word + " }")), 3, 18,
                 "\"user\" is a truth value without quotes: " + word,
                 "Write \"" + word + "\" if it is a text.");
  }
}

TEST(YamlTrap, RefusesNumbersAsNames) {
  for (const std::string word :
       {"010", "10", "1e3", "1.5", ".5", "-1", "0x1F", "0b1", "0o7", "1_000", "190:20:30", ".inf", ".NaN"}) {
    expect_error(load(rule_with("{ database: " + word + " }")), 3, 22,
                 "\"database\" is a number without quotes: " + word,
                 "Write \"" + word + "\" if it is a text.");
  }
}

TEST(YamlTrap, TakesQuotedNames) {
  const auto rule =
      only_rule(load(rule_with("{ database: \"010\", user: ['no', \"~\", \"null\", \"1e3\"] }")));
  ASSERT_EQ(rule.match.conditions.size(), 3U);
  EXPECT_EQ(rule.match.conditions[1].written, "010");
  EXPECT_EQ(rule.match.conditions[2].written, "no, ~, null, 1e3");
}

TEST(YamlTrap, TakesPlainNamesThatOnlyLookOdd) {
  for (const std::string word : {"nobody", "1st", "app-1.2.3", "e3", "_1", "2024-01-01", "0xyz", "v1.5", "0b",
                                 "a:b", "12:", ":12", "10.0.0.1"}) {
    const auto result = load(rule_with("\n    user: " + word));
    EXPECT_TRUE(result.policy || word == "12:") << word << "\n" << all_of(result);
  }
}

TEST(YamlTrap, RefusesNothingAsAName) {
  constexpr std::string_view kHint = "A text that reads ~ or null is written in quotes.";
  for (const std::string word : {"~", "null", "NULL", ""}) {
    expect_error(load(rule_with("{ user: " + word + " }")), 3, 12, "\"user\" has no value", kHint);
  }
  // yaml-cpp marks an empty value where the next key stands
  expect_error(load("protect:\n- database:\n  user: a\n"), 2, 3, "\"database\" has no value", kHint);
  expect_error(load("protect:\n- user: [ a, , b ]\n"), 2, 12, "\"user\" has no value", kHint);
}

TEST(YamlTrap, RefusesEmptyTexts) {
  expect_error(load(rule_with("{ user: \"\" }")), 3, 18, "\"user\" is empty");
}

TEST(YamlTrap, RefusesOctalAndFloatQueryIds) {
  constexpr std::string_view kHint = "It is a signed 64-bit integer, in decimal, without leading zeros.";
  for (const std::string word : {"010", "1e3", "0x1F", "+1", "1_000", "1.0", "9223372036854775808", "abc"}) {
    expect_error(load(rule_with("{ query_id: " + word + " }")), 3, 22, "\"" + word + "\" is not a query_id",
                 kHint);
  }
}

TEST(YamlTrap, RefusesUnclosedQuotes) {
  expect_error(load("protect:\n- user: 'a\n"), 2, 9, "a quoted text is not closed");
  expect_error(load("protect:\n- user: \"a\\\"\n"), 2, 9, "a quoted text is not closed");
  EXPECT_TRUE(load("protect:\n- user: 'it''s'\n- user: \"a\\\"b\"\n").policy);
}

TEST(YamlTrap, RefusesNamesOverSeveralLines) {
  // a forgotten colon: "app user etl" would be the database
  expect_error(load("protect:\n- database: app\n    user etl\n"), 2, 13,
               "\"database\" continues past the end of the line",
               "Look for a missing colon or quote in the next line.");
  expect_error(load("protect:\n- query: |\n    select\n"), 2, 10,
               "\"query\" holds a line break or another control character",
               "A text after | ends with a line break; after |- or >- it does not.");
  EXPECT_TRUE(load("protect:\n- query: >-\n    select\n").policy);
}

TEST(YamlTrap, RefusesNulAndControlCharacters) {
  expect_error(load(std::string("protect:\n- user: a\0b\n", 20)), 2, 10,
               "the file holds the control character 0x00");
  // yaml-cpp would take it for the end of the file
  expect_error(load("protect:\n- user: a\n\x04rules: []\n"), 3, 1,
               "the file holds the control character 0x04");
  expect_error(load("protect:\n- user: \"a\\0b\"\n"), 2, 9, "a text holds a NUL character");
}

TEST(YamlTrap, RefusesWhatIsNotUtf8) {
  expect_error(load("protect:\n- user: \xC3\xA9\xFF\n"), 2, 10, "the file is not in UTF-8");
  expect_error(load("\xFF\xFEp\n"), 1, 1, "the file is not in UTF-8");
}

TEST(YamlTrap, TakesAByteOrderMarkAndCarriageReturns) {
  EXPECT_TRUE(load("\xEF\xBB\xBFprotect:\r\n- user: a\r\n").policy);
}

TEST(YamlTrap, RefusesDeepNesting) {
  expect_error(load(std::string(65, '[') + std::string(65, ']')), 1, 65, "nested more than 64 levels deep");
  EXPECT_TRUE(load(std::string(100'000, '[')).has_errors());
  EXPECT_TRUE(load(std::string(100'000, '{')).has_errors());
}

TEST(YamlTrap, RefusesLargeFiles) {
  expect_error(load("# " + std::string(1'048'576, 'x')), 0, 0, "the file is larger than 1048576 bytes");
}

TEST(YamlTrap, RefusesTooManyValues) {
  std::string text = "protect: [";
  for (int i = 0; i < 100'001; ++i) text += "a,";
  expect_error(load(text + "]"), 1, 200'005, "the file has more than 100000 values");
}

TEST(YamlTrap, RefusesKeysThatAreNoTexts) {
  expect_error(load("protect: [ { user: a } ]\n? [ a ]\n: b\n"), 2, 3, "a key has to be a text");
  expect_error(load("protect: [ { user: a } ]\n~: b\n"), 2, 1, "a key has to be a text");
}

TEST(YamlTrap, RefusesEmptyFiles) {
  constexpr std::string_view kHint = "Remove the file if it is meant to have no rules.";
  for (const std::string text : {"", "# nothing\n", "---\n", "~\n"}) {
    expect_error(load(text), 0, 0, "the file is empty", kHint);
  }
  expect_error(load("just a text\n"), 1, 1, "\"the file\" has to be a mapping, not a single value",
               "It begins with keys such as rules: and protect:.");
}

TEST(YamlTrap, ExplainsSyntaxErrors) {
  expect_error(load("protect:\n- query: /a: b/\n"), 2, 12, "not valid YAML: illegal map value",
               "A text that holds a colon and a blank is written in quotes.");
  expect_error(load("protect:\n- user: @a\n"), 2, 9, "not valid YAML: unknown token",
               "A text that begins with @, `, % or a tab is written in quotes.");
}

}  // namespace
}  // namespace pgcurfew::testing
