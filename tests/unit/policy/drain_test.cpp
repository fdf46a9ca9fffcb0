#include <gtest/gtest.h>

#include "base/duration.hpp"
#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

/// A drop-in with one drain of database orders on Sundays; what is added to it begins in line 7.
std::string drain_with(std::string_view more) {
  std::string text =
      "drains:\n"
      "- name: sunday\n"
      "  databases: orders\n"
      "  schedule: \"0 2 * * sun\"\n"
      "  timezone: Europe/Vienna\n"
      "  duration: 45min\n";
  if (more.empty()) return text;
  text += "  ";
  text += more;
  return text + "\n";
}

/// The drain, but with another key instead of schedule, timezone and duration.
std::string begun_by(std::string_view begins, std::string_view duration = "45min") {
  std::string text = "drains:\n- name: sunday\n  databases: orders\n  ";
  text += begins;
  text += "\n  timezone: Europe/Vienna\n  duration: ";
  text += duration;
  return text + "\n";
}

Drain only_drain(const LoadResult& result) {
  auto policy = taken(result);
  EXPECT_EQ(policy.drains.size(), 1U);
  return policy.drains.empty() ? Drain{} : policy.drains.front();
}

std::vector<std::string> written_in(const Drain& drain) {
  std::vector<std::string> all;
  for (const auto& pattern : drain.databases) all.push_back(pattern.written());
  return all;
}

std::string steps_of(const Drain& drain) {
  std::string text = to_text(drain.wait);
  for (const auto& step : drain.escalate) {
    text += " ";
    text += name_of(step.kind);
    text += " " + to_text(step.after);
  }
  return text;
}

TEST(Drains, AreReadWithAllTheirKeys) {
  const auto result = load(
      "drains:\n"
      "- name: orders-vacuum-full\n"
      "  description: VACUUM FULL\n"
      "  databases: [ orders, \"orders_*\" ]\n"
      "  schedule: \"0 2 * * sun\"\n"
      "  timezone: Europe/Vienna\n"
      "  duration: 45min\n"
      "  announce: [ 15min, 24h ]\n"
      "  gate: pgbouncer\n"
      "  pgbouncer: { conninfo: \"host=pool port=6432\", by: disable, pools: [ main, \"ro_*\" ] }\n"
      "  except: [ { user: maintenance }, { application_name: x, user: b } ]\n"
      "  escalate: [ wait: { for: 1min }, cancel: { after: 5s }, terminate: { after: 20s } ]\n"
      "  while_draining: leave\n"
      "  give_up: { after: 5min, then: hold }\n"
      "  afterwards: hold\n"
      "  mode: dry-run\n");
  const auto drain = only_drain(result);
  EXPECT_EQ(drain.name, "orders-vacuum-full");
  EXPECT_EQ(drain.description, "VACUUM FULL");
  EXPECT_TRUE(drain.servers.empty());
  EXPECT_EQ(written_in(drain), (std::vector<std::string>{"orders", "orders_*"}));
  ASSERT_TRUE(std::holds_alternative<CronSchedule>(drain.begins));
  EXPECT_EQ(std::get<CronSchedule>(drain.begins).written(), "0 2 * * sun");
  EXPECT_EQ(drain.zone.name(), "Europe/Vienna");
  EXPECT_EQ(drain.duration, 45min);
  EXPECT_EQ(drain.announce, (std::vector<Duration>{24h, 15min}));
  EXPECT_EQ(drain.gate, GateKind::kPgbouncer);
  EXPECT_EQ(drain.pgbouncer_gate, PgbouncerGate::kDisable);
  EXPECT_EQ(drain.pgbouncer_conninfo, "host=pool port=6432");
  EXPECT_EQ(drain.pgbouncer_conninfo_place.line, 10U);
  ASSERT_EQ(drain.pools.size(), 2U);
  EXPECT_EQ(drain.pools[1].written(), "ro_*");
  ASSERT_EQ(drain.except.size(), 2U);
  EXPECT_EQ(drain.except[1].match.conditions.size(), 2U);
  EXPECT_EQ(steps_of(drain), "1min cancel 5s terminate 20s");
  EXPECT_FALSE(drain.terminates_latecomers);
  ASSERT_TRUE(drain.give_up);
  EXPECT_EQ(drain.give_up->after, 5min);
  EXPECT_EQ(drain.give_up->then, GiveUpAction::kHold);
  EXPECT_FALSE(drain.reopens);
  EXPECT_EQ(drain.mode, Mode::kDryRun);
  EXPECT_EQ(drain.place.line, 2U);
}

TEST(Drains, HaveDefaults) {
  const auto drain = only_drain(load(drain_with("")));
  EXPECT_EQ(drain.gate, GateKind::kConnectionLimit);
  EXPECT_EQ(drain.pgbouncer_gate, PgbouncerGate::kPause);
  EXPECT_EQ(steps_of(drain), "30s cancel 0s terminate 20s");
  EXPECT_TRUE(drain.terminates_latecomers);
  EXPECT_FALSE(drain.give_up);
  EXPECT_TRUE(drain.reopens);
  EXPECT_TRUE(drain.announce.empty() && drain.except.empty() && drain.servers.empty());
  EXPECT_EQ(drain.mode, Mode::kEnforce);
}

TEST(Drains, StandInTheMainFileAndInDropIns) {
  const Source main{
      "main.yaml",
      "mode: enforce\ntimezone: Asia/Tokyo\n"
      "servers: [ { name: db, conninfo: host=db, labels: { env: prod } } ]\n"
      "drains: [ { name: a, databases: a, schedule: 0 2 * * *, duration: 1h, servers: [ { env: prod "
      "} ] } ]\n"};
  const auto policy = taken(load_policy(
      main, {{"x.yaml", "drains: [ { name: b, databases: b, at: 2999-01-01 02:00, duration: 1h } ]\n"}}));
  ASSERT_EQ(policy.drains.size(), 2U);
  EXPECT_EQ(policy.drains[0].servers, std::vector<std::string>{"db"});
  EXPECT_EQ(policy.drains[0].zone.name(), "Asia/Tokyo");
  EXPECT_EQ(policy.drains[1].zone.name(), "Asia/Tokyo");
}

TEST(Drains, CanHaveTheNameOfARuleButNotOfAnotherDrain) {
  EXPECT_TRUE(
      load(drain_with("") + "rules: [ { name: sunday, match: { user: a }, escalate: [ alert ] } ]\n").policy);
  expect_error(load(drain_with("") +
                    "- { name: sunday, databases: b, schedule: 0 5 * * *, timezone: UTC, duration: 1h }\n"),
               7, 11, "duplicate drain \"sunday\"", "The other one is at x.yaml:2.");
}

TEST(Drains, NeedNameDatabasesBeginningAndDuration) {
  const auto result = load("drains:\n- { description: x }\n");
  for (const auto& [message, hint] : std::vector<std::pair<std::string, std::string>>{
           {"a drain has no \"name\"", "The log identifies it by its name."},
           {"a drain has no \"databases\"", "It names the databases to empty."},
           {"a drain has neither \"schedule\" nor \"at\"",
            "Add schedule: \"0 2 * * sun\" for a drain that repeats, or at: 2026-12-01 02:00."},
           {"a drain has no \"duration\"", "It says how long the drain lasts, as in 45min."}}) {
    expect_said(result, Severity::kError, 2, 3, message, hint);
  }
  EXPECT_EQ(result.diagnostics.size(), 4U) << all_of(result);
  expect_error(load(drain_with("at: 2999-01-01 02:00")), 7, 7, "a drain has both \"schedule\" and \"at\"",
               "Remove one of them, or write two drains.");
}

TEST(Drains, NameTheKeyThatWasMeant) {
  for (const auto& [written, meant] :
       std::vector<std::pair<std::string, std::string>>{{"cron", "schedule"},
                                                        {"anounce", "announce"},
                                                        {"latecomers", "while_draining"},
                                                        {"finally", "afterwards"}}) {
    expect_error(load(drain_with(written + ": x")), 7, 3, "unknown key \"" + written + "\" in a drain",
                 "Did you mean \"" + meant + "\"?");
  }
  expect_error(load_main(main_with("drain: []\n")), 3, 1, "unknown key \"drain\" in the main file",
               "Did you mean \"drains\"?");
}

TEST(DrainDatabases, TakeNoRegularExpressionAndNothingTwice) {
  const auto with = [](std::string_view databases) {
    return load("drains:\n- { name: d, databases: " + std::string(databases) +
                ", schedule: 0 2 * * *, timezone: UTC, duration: 1h }\n");
  };
  expect_error(with("[ a, /^b/ ]"), 2, 30, "\"databases\" takes no regular expression",
               "A drain's databases must be obvious: use names, with * and ? as wildcards.");
  expect_error(with("[ a, b, a ]"), 2, 33, "\"a\" appears twice in \"databases\"");
  expect_error(with("[]"), 2, 25, "\"databases\" is empty", "Leave the key out if it should not matter.");
  EXPECT_EQ(written_in(only_drain(with("[ \"*\", postgres ]"))), (std::vector<std::string>{"*", "postgres"}));
}

TEST(DrainBeginnings, RefuseWhatIsNoScheduleOfCron) {
  expect_error(
      load(begun_by("schedule: 0 2 * *")), 4, 13, "\"0 2 * *\" is not a cron schedule: it has 4 fields",
      "A schedule has five fields, minute, hour, day of the month, month and day of the week, as in \"0 2 * "
      "* sun\".");
  expect_error(load(begun_by("schedule: 0 25 * * *")), 4, 13, "\"25\" is not an hour of cron",
               "It takes *, or 0 to 23, ranges as in 1-5, steps as in */15, and lists of those.");
  expect_error(load(begun_by("schedule: 0 2 30 feb *")), 4, 13, "this schedule never begins",
               "There is no such day within eight years.");
}

TEST(DrainBeginnings, TakeAMomentInTheirTimeZone) {
  const auto drain = only_drain(load(begun_by("at: 2026-12-01 02:00")));
  ASSERT_TRUE(std::holds_alternative<ServerTime>(drain.begins));
  EXPECT_EQ(to_text(std::get<ServerTime>(drain.begins)), "2026-12-01 01:00:00.000000+00");
}

TEST(DrainBeginnings, RefuseWhatIsNoMoment) {
  constexpr std::string_view kHint = "It is written as in 2026-12-01 02:00, with a year from 2000 to 2999.";
  for (const std::string text :
       {"2026-12-01", "2026-12-01T02:00", "2026-12-01 02:00:60", "2026-12-01 02:00:5", "2026-12-01 2:00",
        "2026-13-01 02:00", "2026-00-01 02:00", "2026-12-32 02:00", "2026-12-01 24:00", "2026-12-01 02:60",
        "1999-12-01 02:00", "3000-12-01 02:00", "tomorrow", "26-12-01 02:00"}) {
    expect_error(load(begun_by("at: " + text)), 4, 7, "\"" + text + "\" is not a date and a time of day",
                 kHint);
  }
  expect_error(load(begun_by("at: 2027-02-29 02:00")), 4, 7, "there is no 2027-02-29");
  EXPECT_TRUE(load(begun_by("at: 2028-02-29 02:00")).policy);
  EXPECT_TRUE(load(begun_by("at: 2028-02-29 02:00:30")).policy);
}

TEST(DrainBeginnings, RefuseATimeThatClocksSkip) {
  expect_error(load(begun_by("at: 2027-03-28 02:30")), 4, 7,
               "there is no 2027-03-28 02:30 in Europe/Vienna: clocks skip it",
               "They go on at Sun 2027-03-28 03:00 CEST.");
  EXPECT_TRUE(load(begun_by("at: 2027-03-28 01:59")).diagnostics.empty());
  EXPECT_TRUE(load(begun_by("at: 2027-03-28 03:00")).diagnostics.empty());
}

TEST(DrainBeginnings, WarnOfATimeThatClocksShowTwice) {
  for (const std::string time : {"02:00", "02:30", "02:59"}) {
    expect_warning(
        load(begun_by("at: 2026-10-25 " + time)), 4, 7,
        "clocks in Europe/Vienna show 2026-10-25 " + time + " twice; the drain begins at the first",
        "That is Sun 2026-10-25 " + time + " CEST.");
  }
  EXPECT_TRUE(load(begun_by("at: 2026-10-25 01:59")).diagnostics.empty());
  EXPECT_TRUE(load(begun_by("at: 2026-10-25 03:00")).diagnostics.empty());
}

TEST(DrainBeginnings, NeedATimeZone) {
  const Source main{"main.yaml", main_with("")};
  const auto without = load_policy(
      main, {{"a.yaml", "drains: [ { name: d, databases: a, schedule: 0 2 * * *, duration: 1h } ]\n"}});
  expect_error(without, 1, 46, "this drain has no time zone",
               "Add timezone: here, or once at the top of the main file.");
  expect_warning(load("drains: [ { name: d, databases: a, schedule: 0 2 * * *, duration: 1h } ]\n"), 1, 46,
                 "the time zone of this drain is that of the main file, which is not known here",
                 "It is shown as if it were UTC; name a timezone to be sure.");
}

TEST(DrainDuration, HasBounds) {
  expect_error(load(begun_by("schedule: 0 2 * * *", "500ms")), 6, 13, "\"duration\" of 500ms is out of range",
               "It takes 1s to 7d.");
  expect_error(load(begun_by("schedule: 0 2 * * *", "7d 1s")), 6, 13, "\"duration\" of 7d 1s is out of range",
               "It takes 1s to 7d.");
}

TEST(DrainDuration, IsOverBeforeTheDrainComesAgain) {
  constexpr std::string_view kHint = "Between two drains the database has to be open.";
  expect_error(load(begun_by("schedule: 0 */2 * * *", "2h")), 6, 13,
               "a drain of 2h is not over before it begins again, after 2h", kHint);
  EXPECT_TRUE(load(begun_by("schedule: 0 */2 * * *", "1h 59min")).policy);
  // from Sunday to Monday it is a day, from Monday to Sunday it would do
  expect_error(load(begun_by("schedule: 0 3 * * sun,mon", "2d")), 6, 13,
               "a drain of 2d is not over before it begins again, after 1d", kHint);
  // on one day of the year it is but 23 hours
  expect_warning(load(begun_by("schedule: 0 12 * * *", "23h 30min")), 6, 13,
                 "when clocks change in Europe/Vienna, a drain of 23h 30min begins again after 23h",
                 "The first drain ends then, and the next one begins.");
  EXPECT_TRUE(load(begun_by("schedule: 0 12 * * *", "22h 30min")).diagnostics.empty());
}

TEST(DrainAnnouncements, AreDurationsEachOnce) {
  expect_error(load(drain_with("announce: [ 1h, 15min, 60min ]")), 7, 26,
               "\"60min\" appears twice in \"announce\"");
  expect_error(load(drain_with("announce: 15")), 7, 13, "duration \"15\" lacks a unit",
               "The units are us, ms, s, min, h and d, as in 10min or 1h 30min.");
  EXPECT_EQ(only_drain(load(drain_with("announce: 15min"))).announce, std::vector<Duration>{15min});
  expect_warning(load(drain_with("announce: 7d")), 7, 13,
                 "7d before this drain is not later than the drain before it: they are 7d apart",
                 "Each announcement names the beginning that it is about.");
}

TEST(DrainGate, GoesWithPgbouncerAndThisWithIt) {
  expect_error(load(drain_with("gate: pgbouncer")), 7, 9, "gate pgbouncer needs \"pgbouncer\"",
               "Add pgbouncer: { conninfo: ... } with the connection string of its admin console.");
  constexpr std::string_view kAlone = "\"pgbouncer\" has no effect without gate: pgbouncer";
  expect_error(load(drain_with("pgbouncer: { conninfo: x }")), 7, 14, kAlone,
               "Add gate: pgbouncer, or leave this out.");
  expect_error(load(drain_with("gate: none\n  pgbouncer: { conninfo: x }")), 8, 14, kAlone,
               "Add gate: pgbouncer, or leave this out.");
  expect_error(load(drain_with("gate: pgbouncer\n  pgbouncer: { by: pause }")), 8, 14,
               "\"pgbouncer\" has no \"conninfo\"",
               "It is written as in { conninfo: \"host=db1 port=6432 user=pgbouncer\", by: pause }.");
  expect_error(load(drain_with("gate: connection_limit")), 7, 9, "unknown gate \"connection_limit\"",
               "Did you mean \"connection-limit\"?");
  expect_error(load(drain_with("gate: pgbouncer\n  pgbouncer: { conninfo: x, by: PAUSE }")), 8, 33,
               "unknown by \"PAUSE\"", "Did you mean \"pause\"?");
}

TEST(DrainGate, ShowsNothingOfAPassword) {
  const auto result = load(drain_with("gate: none\n  pgbouncer: { conninfo: \"host=a password=geheim\" }"));
  EXPECT_TRUE(result.has_errors());
  EXPECT_EQ(all_of(result).find("geheim"), std::string::npos) << all_of(result);
}

TEST(DrainGate, ShowsNothingOfTheRestOfAConninfo) {
  for (const std::string pgbouncer :
       {"{ conninfo: host=a password=x,geheim, by: pause }", "{ conninfo: host=a password=x},geheim }",
        "\n    conninfo: host=a\n     pasword=x\n     geheim: y", "\n    conninf: host=a pasword=geheim",
        "{ conninfo: host=a pasword=x,\n  geheim, geheim }"}) {
    const auto result = load(drain_with("gate: pgbouncer\n  pgbouncer: " + pgbouncer));
    EXPECT_NE(all_of(result), "") << pgbouncer;
    EXPECT_EQ(all_of(result).find("geheim"), std::string::npos) << all_of(result);
  }
}

TEST(DrainExceptions, TakeNoAges) {
  expect_error(load(drain_with("except: [ { user: a, query_age: 1h } ]")), 7, 24,
               "except of a drain takes no query_age",
               "An excepted session may stay at any age, whatever it does.");
  expect_error(load(drain_with("except: [ { user: a, blocks: 1 } ]")), 7, 24,
               "except of a drain takes no blocks",
               "An excepted session may stay at any age, whatever it does.");
  expect_error(load(drain_with("except: []")), 7, 11, "\"except\" is empty",
               "Write each entry of the list after a dash, as in - { user: etl }.");
}

TEST(DrainExceptions, WarnWhereAnyClientCanClaimThem) {
  expect_warning(load(drain_with("except: [ { application_name: vacuumdb } ]")), 7, 13,
                 "this exception relies on application_name, which any client can choose",
                 "Any client can stay that way: name the user as well.");
  expect_warning(load(drain_with("except: [ { query: vacuum, database: a } ]")), 7, 13,
                 "this exception relies on query, which any client can choose",
                 "Any client can stay that way: name the user as well.");
  taken(load(drain_with("except: [ { query: vacuum, user: a }, { state: idle } ]")));
}

TEST(DrainSteps, HaveDefaultsForTheirTimes) {
  const auto steps = [](std::string_view escalate) {
    return steps_of(only_drain(load(drain_with("escalate: " + std::string(escalate)))));
  };
  EXPECT_EQ(steps("[ terminate ]"), "0s terminate 0s");
  EXPECT_EQ(steps("[ wait, terminate ]"), "30s terminate 0s");
  EXPECT_EQ(steps("[ wait: { for: 0s }, cancel, terminate ]"), "0s cancel 0s terminate 20s");
}

TEST(DrainSteps, GoUpwardsFromWait) {
  expect_error(load(drain_with("escalate: [ cancel, wait: { for: 1s }, terminate ]")), 7, 23,
               "wait has to be the first step", "Write the wait before a later step in its after.");
  expect_error(load(drain_with("escalate: [ terminate, cancel ]")), 7, 26,
               "cancel after terminate is a step down",
               "Steps go from mild to strong: cancel, then terminate.");
  expect_error(load(drain_with("escalate: [ alert, terminate ]")), 7, 15, "a drain has no step alert",
               "Each of its steps is logged anyway; announce: alerts before the drain begins.");
  expect_error(load(drain_with("escalate: [ kill ]")), 7, 15, "unknown step \"kill\"",
               "Did you mean \"terminate\"?");
  expect_error(load(drain_with("escalate: [ wait: { after: 1s }, terminate ]")), 7, 23,
               "unknown key \"after\" in step wait", "Did you mean \"for\"?");
}

TEST(DrainSteps, EndWithTerminateUnlessLatecomersAreLeftAlone) {
  expect_error(load(drain_with("escalate: [ wait, cancel ]")), 7, 13,
               "latecomers are terminated, but sessions that are already there are not",
               "Make terminate the last step, or add while_draining: leave.");
  expect_warning(load(drain_with("escalate: [ wait, cancel ]\n  while_draining: leave")), 7, 13,
                 "no step terminates the remaining sessions, so a database may not become empty");
}

TEST(DrainSteps, AreDueBeforeTheDrainIsOver) {
  expect_error(load(drain_with("escalate: [ wait: { for: 44min }, terminate: { after: 1min } ]")), 7, 13,
               "terminate is due after 45min, and the drain is over after 45min",
               "Shorten for and after, or make the drain longer.");
  EXPECT_TRUE(load(drain_with("escalate: [ wait: { for: 44min }, terminate: { after: 59s } ]")).policy);
}

TEST(DrainGiveUp, IsReadAndChecked) {
  EXPECT_EQ(only_drain(load(drain_with("give_up: { after: 5min }"))).give_up->then, GiveUpAction::kReopen);
  EXPECT_EQ(only_drain(load(drain_with("give_up: { after: 5min, then: alert }"))).give_up->then,
            GiveUpAction::kAlert);
  constexpr std::string_view kExample = "It is written as in { after: 5min, then: reopen }.";
  expect_error(load(drain_with("give_up: { then: hold }")), 7, 12, "\"give_up\" has no \"after\"", kExample);
  expect_error(load(drain_with("give_up: 5min")), 7, 12,
               "\"give_up\" has to be a mapping, not a single value", kExample);
  expect_error(load(drain_with("give_up: { after: 5min, then: close }")), 7, 33, "unknown then \"close\"",
               "Did you mean \"hold\"?");
}

TEST(DrainGiveUp, WarnsWhereItComesTooLateOrTooEarly) {
  expect_warning(load(drain_with("give_up: { after: 45min }")), 7, 12,
                 "the drain never gives up: it is over after 45min");
  expect_warning(
      load(drain_with("give_up: { after: 50s }")), 7, 12,
      "the drain gives up after 50s, before terminate has had its effect: that step is due after 50s",
      "Make it give up later, or shorten for and after in escalate.");
  EXPECT_TRUE(load(drain_with("give_up: { after: 51s }")).diagnostics.empty());
  EXPECT_TRUE(load(drain_with("give_up: { after: 1s, then: alert }")).diagnostics.empty());
}

TEST(DrainMode, IsAtMostThatOfTheFile) {
  expect_error(
      load_main(main_with("drains: [ { name: d, databases: a, schedule: 0 2 * * *, timezone: UTC, duration: "
                          "1h, mode: enforce } ]\n")),
      3, 92, "a drain cannot enforce while its file is a dry run",
      "A drain's mode can only be milder: set mode: enforce at the top of the main file, and mode: dry-run "
      "in the drains that should wait.");
  const auto dry = load_main(
      main_with("drains: [ { name: d, databases: a, schedule: 0 2 * * *, timezone: UTC, duration: 1h } ]\n"));
  EXPECT_EQ(only_drain(dry).mode, Mode::kDryRun);
}

TEST(Drain, HasNoMatchAndTheHintSaysWhatChoosesInstead) {
  expect_error(load(drain_with("match: { state: idle }")), 7, 3, "unknown key \"match\" in a drain",
               "A drain is for all sessions of its databases; it spares those that match except.");
}

}  // namespace
}  // namespace pgcurfew::testing
