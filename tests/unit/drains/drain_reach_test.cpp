#include "drains/drain_reach.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/condition.hpp"
#include "policy/protections.hpp"

namespace pgcurfew {
namespace {

Gate gate(std::string database, GateAccess access = GateAccess::kMark) {
  Gate made;
  made.database = std::move(database);
  made.access = access;
  return made;
}

Gates found() {
  Gates gates;
  gates.own_database = "watch";
  gates.gates = {gate("app"), gate("app_two"), gate("postgres"), gate("template1"), gate("watch")};
  gates.gates[3].is_template = true;
  return gates;
}

std::vector<std::string> names(std::string_view pattern, const Gates& gates) {
  std::vector<std::string> all;
  for (const auto* entry : databases_of(*TextPattern::parse(pattern), gates)) all.push_back(entry->database);
  return all;
}

TEST(DrainReach, AWildcardLeavesOutWhatOnlyItsNameTakesIn) {
  const auto gates = found();
  EXPECT_THAT(names("*", gates), testing::ElementsAre("app", "app_two"));
  for (const auto* name : {"postgres", "template1", "watch"}) {
    EXPECT_THAT(names(name, gates), testing::ElementsAre(name));
  }
  EXPECT_THAT(names("nobody", gates), testing::IsEmpty());
}

TEST(DrainReach, AGateOfAPgbouncerIsNoDatabase) {
  auto gates = found();
  gates.gates.push_back(gate("app"));
  gates.gates.back().kind = GateKind::kPgbouncer;
  EXPECT_THAT(names("app", gates), testing::ElementsAre("app"));
}

TEST(DrainReach, WhateverRightWeHaveIsEnoughAndNoneIsNot) {
  const auto gates = found();
  const Drain plan;
  for (const auto access : {GateAccess::kJournal, GateAccess::kMark, GateAccess::kFunction}) {
    EXPECT_FALSE(obstacle_to(plan, gate("app", access), gates));
  }
  const auto denied = obstacle_to(plan, gate("app", GateAccess::kNone), gates);
  ASSERT_TRUE(denied);
  EXPECT_EQ(denied->sqlstate, "42501");
}

TEST(DrainReach, OurOwnDatabaseStandsInTheWayUnlessWeGetPastItsGate) {
  auto gates = found();
  const Drain plan;
  const auto own = obstacle_to(plan, gate("watch"), gates);
  ASSERT_TRUE(own);
  EXPECT_EQ(own->message, "our own connection is in it");
  EXPECT_THAT(own->hint, testing::HasSubstr("for instance postgres"));
  gates.own_database = "postgres";
  EXPECT_THAT(obstacle_to(plan, gate("postgres"), gates)->hint, testing::Not(testing::HasSubstr("postgres")));
  gates.own_database = "watch";
  gates.is_superuser = true;
  EXPECT_FALSE(obstacle_to(plan, gate("watch"), gates));
}

TEST(DrainReach, AStandbyClosesNoGateOfTheServersButThatOfAPgbouncer) {
  auto gates = found();
  gates.in_recovery = true;
  Drain plan;
  const auto standby = obstacle_to(plan, gate("app", GateAccess::kNone), gates);
  ASSERT_TRUE(standby);
  EXPECT_EQ(standby->sqlstate, "25006");
  for (const auto kind : {GateKind::kPgbouncer, GateKind::kNone}) {
    plan.gate = kind;
    EXPECT_FALSE(obstacle_to(plan, gate("app", GateAccess::kNone), gates));
  }
}

TEST(DrainReach, AnInvalidDatabaseCannotBeDrainedBehindAnyGate) {
  auto broken = gate("app");
  broken.limit = -2;
  Drain plan;
  for (const auto kind : {GateKind::kConnectionLimit, GateKind::kPgbouncer, GateKind::kNone}) {
    plan.gate = kind;
    EXPECT_TRUE(obstacle_to(plan, broken, found()));
  }
}

Session session(int pid, std::string user, std::string application_name = "app") {
  Session made;
  made.key.pid = pid;
  made.database = "app";
  made.user = std::move(user);
  made.application_name = std::move(application_name);
  made.backend_type = "client backend";
  made.state = State::kIdle;
  return made;
}

TEST(DrainReach, WhomNoStepWouldEndIsNamedWithTheReason) {
  Policy policy;
  for (const auto& protection : all_protections()) policy.protect.push_back(protection.match);
  Match own;
  own.conditions = {condition_of(Field::kUser, TextTest{{TextPattern::exact("backup")}})};
  policy.protect.push_back(own);
  Look look;
  look.sessions = {session(1, "app"), session(2, "postgres"), session(3, "app", "pg_dump"),
                   session(4, "backup"), session(5, "app")};
  look.sessions[1].is_beyond_us = look.sessions[1].is_superusers = true;
  look.sessions[4].query = "listen news";
  const auto found = occupants_of({}, policy, look, "app");
  EXPECT_EQ(found.sessions, 5U);
  EXPECT_EQ(found.exempt, 0U);
  std::vector<std::string> told;
  for (const auto& entry : found.stay) {
    told.push_back(std::to_string(entry.session->key.pid) + " " + entry.reason);
  }
  EXPECT_THAT(told, testing::ElementsAre("2 superuser", "3 protected: dumps", "4 protected"));
  look.sessions[1].is_superusers = false;
  const auto denied = occupants_of({}, policy, look, "app");
  EXPECT_EQ(denied.stay.front().reason, "pg_signal_backend is missing");
}

TEST(DrainReach, WhomExceptSparesIsCountedApartThoughWeCouldNotEndIt) {
  Drain plan;
  Exception spared;
  spared.match.conditions = {condition_of(Field::kUser, TextTest{{TextPattern::exact("postgres")}})};
  plan.except = {spared};
  Look look;
  look.sessions = {session(1, "postgres"), session(2, "app"), session(3, "app"), session(4, "app"),
                   session(5, "app")};
  look.sessions[0].is_beyond_us = true;
  look.sessions[2].is_own = true;
  look.sessions[3].database = "another";
  look.sessions[4].backend_type = "walsender";
  const auto found = occupants_of(plan, {}, look, "app");
  EXPECT_EQ(found.sessions, 1U);
  EXPECT_EQ(found.exempt, 1U);
  EXPECT_THAT(found.stay, testing::IsEmpty());
}

}  // namespace
}  // namespace pgcurfew
