#include "policy/advice/drain_overlaps.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

using namespace std::chrono_literals;

/// Monday, 2026-11-23 12:00 UTC.
ServerTime now() {
  return TimeZone().first_instant_of({2026, 11, 23, 12h});
}

std::string drain(std::string_view name, std::string_view databases, std::string_view begins,
                  std::string_view more = "") {
  return fmt::format("- {{ name: {}, databases: {}, {}, timezone: Europe/Vienna, duration: 1h{} }}\n", name,
                     databases, begins, more);
}

/// A main file with servers a (label env: prod) and b, and these drains from line 4 on.
Policy policy_of(std::string_view drains) {
  return taken(load_main(
      "servers:\n- { name: a, conninfo: x, labels: { env: prod } }\n- { name: b, conninfo: x }\ndrains:\n" +
      std::string(drains)));
}

std::vector<std::string> said_of(const Policy& policy, const OwnDatabases& own = {}) {
  std::vector<std::string> messages;
  for (const auto& found : find_overlaps(policy, now(), own)) {
    EXPECT_EQ(found.severity, Severity::kError);
    messages.push_back(found.message);
  }
  return messages;
}

bool overlap(std::string_view databases, std::string_view others, const OwnDatabases& own = {}) {
  return !said_of(policy_of(drain("one", databases, "schedule: 0 2 * * *") +
                            drain("two", others, "schedule: 30 2 * * *")),
                  own)
              .empty();
}

TEST(DrainOverlaps, AreToldWithTheirDatabaseServerAndMoment) {
  const auto policy = policy_of(drain("one", "[ a, orders ]", "schedule: 0 2 * * sun") +
                                drain("two", "[ orders, b ]", "schedule: 30 2 * * *"));
  const auto found = find_overlaps(policy, now());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].message,
            "drains \"one\" and \"two\" overlap: both empty database orders on server a at Sun 2026-11-29 "
            "02:30 CET");
  EXPECT_EQ(found[0].hint, "Move one of them, or merge them. one is at main.yaml:5.");
  EXPECT_EQ(found[0].place.line, 6U);
  EXPECT_EQ(found[0].place.column, 3U);
}

TEST(DrainOverlaps, NeedACommonDatabase) {
  EXPECT_TRUE(overlap("orders", "orders"));
  EXPECT_FALSE(overlap("orders", "orders2"));
  EXPECT_TRUE(overlap("orders", "\"orders*\""));
  EXPECT_TRUE(overlap("\"orders*\"", "orders"));
  EXPECT_FALSE(overlap("orders", "\"orders_*\""));
  EXPECT_TRUE(overlap("\"o*\"", "\"orders_*\""));
  EXPECT_TRUE(overlap("\"orders_*\"", "\"o*\""));
  EXPECT_TRUE(overlap("\"o*\"", "\"o*\""));
  EXPECT_FALSE(overlap("\"a*\"", "\"o*\""));
}

TEST(DrainOverlaps, LeaveOutWhatAWildcardDoesNotTakeIn) {
  for (const std::string name : {"postgres", "template1", "mine"}) {
    EXPECT_FALSE(overlap(name, "\"*\"", {{"a", "mine"}, {"b", "mine"}})) << name;
    EXPECT_FALSE(overlap("\"*\"", name, {{"a", "mine"}, {"b", "mine"}})) << name;
    EXPECT_TRUE(overlap(name, fmt::format("[ \"*\", {} ]", name), {{"a", "mine"}, {"b", "mine"}})) << name;
  }
  EXPECT_TRUE(overlap("mine", "\"*\"", {{"a", "mine"}}));  // on server b it is one like any other
}

TEST(DrainOverlaps, NeedACommonServer) {
  const auto on = [](std::string_view first, std::string_view second) {
    return said_of(policy_of(drain("one", "d", "schedule: 0 2 * * *", fmt::format(", servers: {}", first)) +
                             drain("two", "d", "schedule: 0 2 * * *", fmt::format(", servers: {}", second))))
        .size();
  };
  EXPECT_EQ(on("a", "b"), 0U);
  EXPECT_EQ(on("a", "[ b, { env: prod } ]"), 1U);
  EXPECT_EQ(on("b", "{ env: prod }"), 0U);
}

TEST(DrainOverlaps, NeedACommonMoment) {
  const auto with = [](std::string_view first, std::string_view second) {
    return said_of(policy_of(drain("one", "d", first) + drain("two", "d", second))).size();
  };
  EXPECT_EQ(with("schedule: 0 3 * * *", "schedule: 0 4 * * *"), 0U);  // one ends as the other begins
  EXPECT_EQ(with("schedule: 0 3 * * *", "schedule: 59 3 * * *"), 1U);
  EXPECT_EQ(with("schedule: 0 2 * * sun", "schedule: 0 2 * * mon-sat"), 0U);
  EXPECT_EQ(with("schedule: 0 2 * * sun", "schedule: 0 2 1 * *"), 1U);
  EXPECT_EQ(with("at: 2026-11-29 01:30", "schedule: 0 2 * * sun"), 1U);
  EXPECT_EQ(with("at: 2026-11-29 03:30", "schedule: 0 2 * * sun"), 0U);
  EXPECT_EQ(with("at: 2026-11-22 02:00", "at: 2026-11-22 02:00"), 0U);  // past
  EXPECT_EQ(with("at: 2028-11-22 02:00", "at: 2028-11-22 02:00"), 0U);  // not within a year
}

TEST(DrainOverlaps, SeeTheClocksChange) {
  // on 2027-03-28 02:30 begins at 03:00, when clocks go on after the gap
  const auto with = [](std::string_view second) {
    return said_of(policy_of(drain("one", "d", "schedule: 30 1 * * *") + drain("two", "d", second)));
  };
  EXPECT_TRUE(with("schedule: 30 3 * * *").empty());
  const auto said = with("schedule: 30 2 * * *");
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(
      said[0],
      "drains \"one\" and \"two\" overlap: both empty database d on server a at Sun 2027-03-28 03:00 CEST");
}

TEST(DrainOverlaps, CountWhatIsUnderWay) {
  const auto policy =
      policy_of(drain("one", "d", "at: 2026-11-23 12:30") + drain("two", "d", "at: 2026-11-23 13:15"));
  EXPECT_EQ(said_of(policy).size(), 1U);  // 12:30 in Vienna is 11:30 UTC: until 12:30 UTC
}

TEST(DrainOverlaps, AreFoundInADropInOnItsOwn) {
  const auto policy = taken(load("drains:\n" + drain("one", "d", "schedule: 0 2 * * *", ", servers: a") +
                                 drain("two", "d", "schedule: 0 2 * * *", ", servers: a") +
                                 drain("three", "d", "schedule: 0 2 * * *", ", servers: b")));
  EXPECT_EQ(said_of(policy),
            std::vector<std::string>{"drains \"one\" and \"two\" overlap: both empty database d at Tue "
                                     "2026-11-24 02:00 CET"});
}

TEST(DrainOverlaps, OfFrequentDrainsAreFoundMonthsAhead) {
  // every three hours, in turns; from 2027-03-14 on clocks in New York are an hour ahead of those in Vienna
  const std::string drains =
      "- { name: one, databases: d, schedule: \"0 */3 * * *\", timezone: Europe/Vienna, duration: 1h }\n"
      "- { name: two, databases: d, schedule: \"30 1-23/3 * * *\", timezone: America/New_York, duration: 1h "
      "}\n";
  const auto said = said_of(policy_of(drains));
  ASSERT_EQ(said.size(), 1U);
  EXPECT_THAT(said[0], ::testing::EndsWith("at Sun 2027-03-14 04:30 EDT"));
}

TEST(DrainOverlaps, OfManyAreLookedForInBoundedTime) {
  std::string drains;
  for (int i = 0; i < 100; ++i) {
    drains += fmt::format(
        "- {{ name: d{}, databases: d, schedule: \"{} {} * * *\", timezone: UTC, duration: 1min, "
        "escalate: [ terminate ] }}\n",
        i, i % 60, i / 60);
  }
  EXPECT_TRUE(said_of(policy_of(drains)).empty());
}

TEST(DrainOverlaps, AreToldTwentyTimes) {
  Policy policy;
  policy.servers =
      policy_of("- { name: x, databases: d, schedule: 0 2 * * *, timezone: UTC, duration: 1h }").servers;
  for (int i = 0; i < 30; ++i) {
    Drain plan;
    plan.name = fmt::format("d{}", i);
    plan.databases = {TextPattern::exact("d")};
    plan.begins = CronSchedule::parse("* * * * *").value();
    plan.duration = 30s;
    policy.drains.push_back(plan);
  }
  EXPECT_EQ(find_overlaps(policy, now()).size(), 20U);
}

}  // namespace
}  // namespace pgcurfew::testing
