#include <gtest/gtest.h>

#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

/// A rule with more at its end; that begins in line 5.
LoadResult load_with(std::string_view more) {
  return load(rule_with("{ user: a }") + "  " + std::string(more) + "\n");
}

/// A rule that cancels, with more at its end; that begins in line 5.
LoadResult load_acting_with(std::string_view more) {
  return load(rule_with("{ user: a, query_id: 1 }", "[ cancel, alert ]") + "  " + std::string(more) + "\n");
}

/// A main file with two servers, a default time zone and a rule with more at its end; that begins in line 8.
LoadResult load_main_with(std::string_view more) {
  return load_main(
      "servers:\n"
      "- { name: orders, conninfo: x, labels: { env: prod, tier: \"1\" } }\n"
      "- { name: orders-2, conninfo: x, labels: { env: test } }\n"
      "- { name: bills, conninfo: x, labels: { env: prod } }\n"
      "timezone: Europe/Vienna\n"
      "rules:\n"
      "- { name: r, match: { user: a }, escalate: [ alert ],\n"
      "    " +
      std::string(more) + " }\n");
}

TEST(Selection, IsRead) {
  const auto rule = only_rule(load(rule_with("{ application_name: a }") +
                                   "  per: [ user, application_name ]\n  keep: 10\n  victims: newest\n"
                                   "  at_most: 1\n  pause: 5s\n"));
  EXPECT_EQ(rule.selection.per, (std::vector<Field>{Field::kUser, Field::kApplicationName}));
  EXPECT_EQ(rule.selection.keep, 10U);
  EXPECT_EQ(rule.selection.victims, Victims::kNewest);
  EXPECT_EQ(rule.selection.at_most, 1U);
  EXPECT_EQ(rule.selection.pause, 5s);
}

TEST(Selection, IsTheOldestWithoutBoundsUnlessToldOtherwise) {
  const auto rule = only_rule(load(rule_with("{ user: a }")));
  EXPECT_TRUE(rule.selection.per.empty());
  EXPECT_FALSE(rule.selection.keep || rule.selection.at_most);
  EXPECT_EQ(rule.selection.victims, Victims::kOldest);
  EXPECT_EQ(rule.selection.pause, 0s);
  EXPECT_EQ(only_rule(load(rule_with("{ user: a }") + "  keep: 1\n  victims: all\n")).selection.victims,
            Victims::kAll);
}

TEST(Selection, RefusesNumbersThatAreNone) {
  for (const std::string key : {"keep", "at_most"}) {
    const auto column = key.size() + 5;
    for (const std::string text : {"ten", "-1", "1.5", "010", "+1", "0x10", "1k"}) {
      expect_error(load_with(key + ": " + text), 5, column, "\"" + text + "\" is not a whole number",
                   "It takes 1 to 262143.");
    }
    for (const std::string text : {"0", "262144", "99999999999999999999"}) {
      expect_error(load_with(key + ": " + text), 5, column, "\"" + key + "\" of " + text + " is out of range",
                   "It takes 1 to 262143.");
    }
  }
  expect_error(load_with("pause: 5"), 5, 10, "duration \"5\" lacks a unit",
               "The units are us, ms, s, min, h and d, as in 10min or 1h 30min.");
  expect_error(load_with("pause: 25h"), 5, 10, "\"pause\" of 1d 1h is out of range", "It takes 0s to 1d.");
}

TEST(Selection, NeedsKeepForGroupsAndVictims) {
  constexpr std::string_view kHint = "Add keep: with the number of sessions that are left alone.";
  expect_error(load_with("per: user"), 5, 3, "\"per\" has no effect without \"keep\"", kHint);
  expect_error(load_with("victims: all"), 5, 3, "\"victims\" has no effect without \"keep\"", kHint);
}

TEST(Selection, RefusesUnknownWords) {
  expect_error(load(rule_with("{ user: a }") + "  keep: 1\n  per: [ user, usename ]\n"), 6, 16,
               "unknown per \"usename\"", "Did you mean \"user\"?");
  expect_error(load(rule_with("{ user: a }") + "  keep: 1\n  per: [ user, user ]\n"), 6, 16,
               "\"user\" appears twice in \"per\"");
  expect_error(load(rule_with("{ user: a }") + "  keep: 1\n  per: state\n"), 6, 8, "unknown per \"state\"",
               "It is database, user, application_name, client_addr or query_id.");
  expect_error(load(rule_with("{ user: a }") + "  keep: 1\n  victims: youngest\n"), 6, 12,
               "unknown victims \"youngest\"", "Did you mean \"newest\"?");
  expect_error(load_with("max_sessions: 5"), 5, 3, "unknown key \"max_sessions\" in a rule",
               "Did you mean \"keep\"?");
}

TEST(When, IsRead) {
  const auto rule = only_rule(load_with("when: { connections_used: 85%, role: standby }"));
  EXPECT_DOUBLE_EQ(rule.when.connections_used.value(), 0.85);
  EXPECT_EQ(rule.when.role, Role::kStandby);
  EXPECT_EQ(only_rule(load_with("when: { role: primary }")).when.role, Role::kPrimary);
  EXPECT_TRUE(only_rule(load(rule_with("{ user: a }"))).when.is_empty());
}

TEST(When, RefusesWhatItDoesNotKnow) {
  constexpr std::string_view kExample = "It is written as in { connections_used: 85%, role: primary }.";
  expect_error(load_with("when: {}"), 5, 9, "\"when\" is empty", kExample);
  expect_error(load_with("when: full"), 5, 9, "\"when\" has to be a mapping, not a single value", kExample);
  expect_error(load_with("when: { role: replica }"), 5, 17, "unknown role \"replica\"",
               "Did you mean \"standby\"?");
  expect_error(load_with("when: { connections: 85% }"), 5, 11, "unknown key \"connections\" in when",
               "Did you mean \"connections_used\"?");
  expect_error(load_with("when: { state: active }"), 5, 11, "unknown key \"state\" in when",
               "Conditions on sessions belong in match; when is about the server.");
  constexpr std::string_view kPart = "It is a share of the connections, from 1% to 100%.";
  for (const std::string text : {"85", "0.85", "x%"}) {
    expect_error(load_with("when: { connections_used: " + text + " }"), 5, 29,
                 "\"" + text + "\" is not a percentage", kPart);
  }
  for (const std::string text : {"0%", "101%", "nan%"}) {
    expect_error(load_with("when: { connections_used: " + text + " }"), 5, 29,
                 "\"connections_used\" of " + text + " is out of range", kPart);
  }
}

TEST(Hours, AreRead) {
  const auto rule = only_rule(load_with(
      "during: { days: [ mon-wed, sat ], from: \"08:00\", to: \"18:30\", timezone: Europe/Vienna }"));
  ASSERT_EQ(rule.hours.during.size(), 1U);
  const auto& window = rule.hours.during[0];
  EXPECT_EQ(window.days.to_string(), "0100111");
  EXPECT_EQ(window.from, 8h);
  EXPECT_EQ(window.to, 18h + 30min);
  EXPECT_EQ(window.zone.name(), "Europe/Vienna");
  EXPECT_EQ(window.place.line, 5U);
  EXPECT_TRUE(rule.hours.not_during.empty());
}

TEST(Hours, TakeAListAndHaveDefaults) {
  const auto rule = only_rule(load_main_with(
      "during: [ { days: sun }, { from: \"22:00\" } ], not_during: { to: \"12:00\", timezone: UTC }"));
  ASSERT_EQ(rule.hours.during.size(), 2U);
  EXPECT_EQ(rule.hours.during[0].days.to_string(), "1000000");
  EXPECT_EQ(rule.hours.during[0].from, 0h);
  EXPECT_EQ(rule.hours.during[0].to, 24h);
  EXPECT_EQ(rule.hours.during[0].zone.name(), "Europe/Vienna");
  EXPECT_TRUE(rule.hours.during[1].days.all());
  EXPECT_EQ(rule.hours.during[1].from, 22h);
  ASSERT_EQ(rule.hours.not_during.size(), 1U);
  EXPECT_EQ(rule.hours.not_during[0].zone.name(), "UTC");
}

TEST(Hours, TakeDaysThatGoOverTheEndOfTheWeek) {
  const auto days = [](std::string_view text) {
    const auto rule = only_rule(load_main_with("during: { days: " + std::string(text) + " }"));
    return rule.hours.during.at(0).days.to_string();
  };
  EXPECT_EQ(days("fri-mon"), "1110001");
  EXPECT_EQ(days("mon-sun"), "1111111");
  EXPECT_EQ(days("sun-sat"), "1111111");
  EXPECT_EQ(days("tue-tue"), "0000010");
}

TEST(Hours, NeedATimeZone) {
  const Source main{"main.yaml", main_with("")};
  const auto without = load_policy(main, {{"a.yaml",
                                           "rules: [ { name: w, match: { user: b }, escalate: [ "
                                           "alert ], during: { days: mon } } ]\n"}});
  expect_error(without, 1, 70, "these hours have no time zone",
               "Add timezone: here, or once at the top of the main file for all of them.");
  expect_error(load_with("during: { days: mon, timezone: Europe/Wien }"), 5, 34,
               "unknown time zone \"Europe/Wien\"",
               "Use a name in the system's tzdata, such as Europe/Vienna or UTC.");
  expect_error(load_main(main_with("timezone: CEST+1\n")), 3, 11, "unknown time zone \"CEST+1\"",
               "Use a name in the system's tzdata, such as Europe/Vienna or UTC.");
}

TEST(Hours, OfADropInOnItsOwnAreShownAsUtc) {
  const auto result = load_with("during: { days: mon }");
  expect_warning(result, 5, 11,
                 "the time zone of these hours is that of the main file, which is not known here",
                 "They are shown as if it were UTC; name a timezone to be sure.");
}

TEST(Hours, RefuseWindowsThatSayNothing) {
  constexpr std::string_view kExample =
      "Hours are written as in { days: [mon-fri], from: \"08:00\", to: \"18:00\" }.";
  expect_error(load_with("during: { timezone: UTC }"), 5, 11, "a window has neither days nor from and to",
               kExample);
  expect_error(load_with("during: {}"), 5, 11, "\"during\" is empty", kExample);
  expect_error(load_with("not_during: []"), 5, 15, "\"not_during\" is empty", kExample);
  expect_error(load_with("during: office"), 5, 11, "\"during\" has to be a mapping, not a single value",
               kExample);
  expect_error(load_with("during: { days: [], timezone: UTC }"), 5, 19, "\"days\" is empty",
               "Leave the key out if it should not matter.");
}

TEST(Hours, RefuseUnknownDays) {
  const std::vector<std::pair<std::string, std::string>> meant = {
      {"monday", "mon"}, {"Fri", "fri"}, {"weekdays", "mon-fri"}, {"thr", "thu"}, {"mon-", "mon"}};
  for (const auto& [word, day] : meant) {
    expect_error(load_main_with("during: { days: \"" + word + "\" }"), 8, 21, "unknown day \"" + word + "\"",
                 "Did you mean \"" + day + "\"?");
  }
  for (const std::string word : {"mon-wed-fri", "mon - fri", "mo-fr"}) {
    expect_error(load_main_with("during: { days: [ \"" + word + "\" ] }"), 8, 23,
                 "unknown day \"" + word + "\"",
                 "Days are mon, tue, wed, thu, fri, sat and sun, or a range such as mon-fri.");
  }
}

TEST(Hours, RefuseTimesThatAreNone) {
  for (const std::string text : {"8:00", "08:60", "0800", "08:00:00", "24:1", "ab:cd", "08.00", "-1:00"}) {
    expect_error(load_main_with("during: { from: \"" + text + "\" }"), 8, 21,
                 "\"" + text + "\" is not a time of day",
                 "It is written with two digits for the hour and two for the minute, as in \"08:00\".");
  }
  expect_error(load_main_with("during: { from: \"24:00\" }"), 8, 21, "\"from\" of 24:00 is out of range",
               "It takes 00:00 to 23:59.");
  expect_error(load_main_with("during: { to: \"24:01\" }"), 8, 19, "\"to\" of 24:01 is out of range",
               "It takes 00:00 to 24:00.");
  expect_error(load_main_with("during: { from: 22:00 }"), 8, 21, "\"from\" is a number without quotes: 22:00",
               "Write \"22:00\" if it is a text.");
}

TEST(Hours, NameTheKeyThatWasMeant) {
  expect_error(load_main_with("during: { start: \"08:00\" }"), 8, 15, "unknown key \"start\" in a window",
               "Did you mean \"from\"?");
  expect_error(load_main_with("during: { days: mon, tz: UTC }"), 8, 26, "unknown key \"tz\" in a window",
               "Did you mean \"timezone\"?");
  expect_error(load_main(main_with("tz: UTC\n")), 3, 1, "unknown key \"tz\" in the main file",
               "Did you mean \"timezone\"?");
}

TEST(Repeat, IsRead) {
  const auto rule =
      only_rule(load_acting_with("repeat: { times: 3, within: 10min, per: query_id, then: terminate }"));
  ASSERT_TRUE(rule.repeat);
  EXPECT_EQ(rule.repeat->times, 3U);
  EXPECT_EQ(rule.repeat->within, 10min);
  EXPECT_EQ(rule.repeat->per, Field::kQueryId);
  EXPECT_EQ(rule.repeat->then, RepeatAction::kTerminate);
  const auto other = only_rule(load_acting_with("repeat: { times: 1, within: 1s, then: pause }"));
  EXPECT_EQ(other.repeat->per, Field::kUser);
  EXPECT_EQ(other.repeat->then, RepeatAction::kPause);
  EXPECT_FALSE(only_rule(load(rule_with("{ user: a }"))).repeat);
}

TEST(Repeat, NeedsTimesWithinAndThen) {
  constexpr std::string_view kExample = "It is written as in { times: 3, within: 10min, then: terminate }.";
  expect_error(load_with("repeat: { within: 1min, then: alert }"), 5, 11, "\"repeat\" has no \"times\"",
               kExample);
  expect_error(load_with("repeat: { times: 1, then: alert }"), 5, 11, "\"repeat\" has no \"within\"",
               kExample);
  expect_error(load_with("repeat: { times: 1, within: 1min }"), 5, 11, "\"repeat\" has no \"then\"",
               kExample);
  expect_error(load_with("repeat: 3"), 5, 11, "\"repeat\" has to be a mapping, not a single value", kExample);
}

TEST(Repeat, RefusesWhatIsOutOfRange) {
  expect_error(load_with("repeat: { times: 0, within: 1min, then: alert }"), 5, 20,
               "\"times\" of 0 is out of range", "It takes 1 to 1000.");
  expect_error(load_with("repeat: { times: 2, within: 999ms, then: alert }"), 5, 31,
               "\"within\" of 999ms is out of range", "It takes 1s to 1d.");
  expect_error(load_with("repeat: { times: 2, within: 1min, then: kill }"), 5, 43, "unknown then \"kill\"",
               "Did you mean \"terminate\"?");
  expect_error(load_with("repeat: { times: 2, within: 1min, per: database, then: alert }"), 5, 42,
               "unknown per \"database\"", "It is user, application_name or query_id.");
  expect_error(load_with("repeat: { count: 2, times: 2, within: 1min, then: alert }"), 5, 13,
               "unknown key \"count\" in repeat", "Did you mean \"times\"?");
}

TEST(Servers, AreChosenByNameWildcardAndLabels) {
  const auto chosen = [](std::string_view text) {
    return only_rule(load_main_with("servers: " + std::string(text))).servers;
  };
  EXPECT_EQ(chosen("orders"), std::vector<std::string>{"orders"});
  EXPECT_EQ(chosen("[ \"orders*\" ]"), (std::vector<std::string>{"orders", "orders-2"}));
  EXPECT_EQ(chosen("[ { env: prod } ]"), (std::vector<std::string>{"orders", "bills"}));
  EXPECT_EQ(chosen("{ env: prod, tier: \"1\" }"), std::vector<std::string>{"orders"});
  EXPECT_EQ(chosen("[ bills, { env: prod }, /^orders-/ ]"),
            (std::vector<std::string>{"bills", "orders", "orders-2"}));
  EXPECT_TRUE(only_rule(load_main_with("mode: dry-run")).servers.empty());
}

TEST(Servers, ThatDoNotExistAreErrors) {
  expect_error(load_main_with("servers: order"), 8, 14, "no server is named \"order\"",
               "Did you mean \"orders\"?");
  expect_error(load_main_with("servers: [ bills, \"crm-*\" ]"), 8, 23, "no server is named \"crm-*\"",
               "The servers are orders, orders-2, bills.");
  expect_error(load_main_with("servers: { env: prod, tier: \"2\" }"), 8, 14,
               "no server has the labels env: prod, tier: 2",
               "The servers' labels are env: prod, env: test, tier: 1.");
  expect_error(load_main_with("servers: []"), 8, 14, "\"servers\" is empty",
               "Leave the key out if it should not matter.");
  expect_error(load_main_with("servers: { tier: 1 }"), 8, 22, "\"tier\" is a number without quotes: 1",
               "Write \"1\" if it is a text.");
}

TEST(Servers, ThatCannotBeReadAreNotMissedAsWell) {
  expect_error(load_main("servers: [ { name: a b, conninfo: x } ]\n"
                         "rules: [ { name: r, servers: ab, match: { user: a }, escalate: [ alert ] } ]\n"),
               1, 20, "invalid name \"a b\"", "It takes letters, digits, _, - and ., at most 63 of them.");
}

TEST(Servers, AreNotMissedInADropInOnItsOwn) {
  EXPECT_EQ(only_rule(load_with("servers: [ crm, { env: prod, tier: a } ]")).servers,
            (std::vector<std::string>{"crm", "env: prod, tier: a"}));
}

}  // namespace
}  // namespace pgcurfew::testing
