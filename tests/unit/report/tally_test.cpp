#include "report/tally.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "events/fields.hpp"

namespace pgcurfew {
namespace {

Event event_of_rule(Kind kind, const std::string& rule, const std::string& decision) {
  Event event(kind, "m");
  event.server = "s";
  event.add(field::kDecision, decision);
  event.add(field::kRule, rule);
  event.add(field::kPid, 7);
  event.add(field::kMode, "enforce");
  event.add(field::kStep, "cancel");
  event.add(field::kEpisode, "d-1");
  return event;
}

Event outcome(const std::string& rule, const std::string& decision) {
  auto event = event_of_rule(Kind::kOutcome, rule, decision);
  event.add(field::kOutcome, "signalled");
  event.add(field::kClock, "query_age");
  event.add(field::kAgeS, Duration(2'001'000));
  event.add(field::kLimitS, Duration(2'000'000));
  return event;
}

TEST(Tally, CountsEachEpisodeOnce) {
  Tally tally;
  tally.take(event_of_rule(Kind::kIntent, "r", "d-1"));
  tally.take(event_of_rule(Kind::kIntent, "r", "d-2"));
  tally.take(event_of_rule(Kind::kSuperseded, "q", "d-1"));
  EXPECT_EQ(tally.episodes.size(), 2U);
  EXPECT_EQ(tally.episodes.at({"s", false, "r", "enforce"}), 1U);
  EXPECT_EQ(tally.episodes.at({"s", false, "q", "enforce"}), 1U);
}

TEST(Tally, KeepsTheLastActionsAndWhatCameOfThem) {
  Tally tally;
  for (std::size_t i = 0; i < Tally::kMostActions + 5; ++i) tally.take(outcome("r", fmt::format("d-{}", i)));
  EXPECT_EQ(tally.actions.size(), Tally::kMostActions);
  auto verified = event_of_rule(Kind::kVerified, "r", "d-54");
  verified.add(field::kEffect, "query_ended");
  tally.take(verified);
  auto ended = event_of_rule(Kind::kEnded, "r", "d-54");
  ended.add(field::kEnd, "by_us");
  tally.take(ended);
  EXPECT_EQ(tally.actions.front().decision, "d-54");
  EXPECT_EQ(tally.actions.front().effect, "query_ended");
  EXPECT_EQ(tally.actions.front().end, "by_us");
  EXPECT_EQ(tally.actions.front().pid, 7);
  EXPECT_EQ(tally.actions.front().clock, "query_age");
  EXPECT_EQ(tally.actions.front().age, Duration(2'001'000));
  EXPECT_EQ(tally.actions.front().limit, Duration(2'000'000));
  EXPECT_EQ(tally.ends.at({{"s", false, "r", "enforce"}, "by_us"}), 1U);
  EXPECT_EQ(tally.outcomes.at({{"s", false, "r", "enforce"}, "cancel", "signalled"}),
            Tally::kMostActions + 5);
}

TEST(Tally, WhatADryRunOnlyRehearsesIsCountedNowhere) {
  Tally tally;
  auto event = outcome("r", "d-1");
  event.add(field::kIfStill, true);
  tally.take(event);
  EXPECT_TRUE(tally.outcomes.empty());
  EXPECT_EQ(tally.actions.size(), 1U);
}

TEST(Tally, NamesThatReloadsBringWithoutEndTakeNoMemoryWithoutEnd) {
  Tally tally;
  for (std::size_t i = 0; i < Tally::kMostCounts + 100; ++i) tally.take(outcome(fmt::format("r{}", i), "d"));
  EXPECT_EQ(tally.outcomes.size(), Tally::kMostCounts + 1);
  EXPECT_EQ(tally.outcomes.at({{"s", false, Tally::kOthers, "enforce"}, "cancel", "signalled"}), 100U);
}

}  // namespace
}  // namespace pgcurfew
