#include "cli/drain_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/instance.hpp"

namespace pgcurfew {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

DrainOptions options() {
  DrainOptions made;
  made.databases = {"orders", "c*"};
  made.duration = "45min";
  return made;
}

std::string refusal_of(const DrainOptions& options) {
  const auto plan = plan_from(options);
  return plan ? "taken" : plan.error().message;
}

TEST(DrainPlan, WaitsCancelsTerminatesAndGivesBack) {
  auto wanted = options();
  wanted.wait = "1min";
  const auto plan = plan_from(wanted);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->duration, minutes(45));
  EXPECT_EQ(plan->wait, minutes(1));
  ASSERT_EQ(plan->escalate.size(), 2U);
  EXPECT_EQ(plan->escalate[0].kind, StepKind::kCancel);
  EXPECT_EQ(plan->escalate[1].kind, StepKind::kTerminate);
  EXPECT_EQ(plan->escalate[1].after, seconds(20));
  EXPECT_EQ(plan->gate, GateKind::kConnectionLimit);
  EXPECT_TRUE(plan->reopens && plan->terminates_latecomers);
  ASSERT_TRUE(plan->give_up);
  EXPECT_EQ(plan->give_up->after, minutes(45));
}

TEST(DrainPlan, TakesNamesOfDatabasesLetterForLetter) {
  const auto plan = plan_from(options());
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->databases[1].matches("c*"));
  EXPECT_FALSE(plan->databases[1].matches("crm"));
}

TEST(DrainPlan, RefusesTimesWithoutAUnitOrOutOfBoundsAndNamesTheOption) {
  auto wanted = options();
  wanted.duration = "45";
  EXPECT_THAT(refusal_of(wanted), HasSubstr("--for"));
  wanted.duration = "8d";
  EXPECT_EQ(refusal_of(wanted), "--for takes 1s to 7d");
  wanted = options();
  wanted.give_up = "46min";
  EXPECT_EQ(refusal_of(wanted), "--give-up takes 1s to 45min");
}

TEST(DrainPlan, RefusesALadderThatTheTimeEndsFirst) {
  auto wanted = options();
  wanted.duration = "50s";
  EXPECT_THAT(refusal_of(wanted), HasSubstr("no session would ever be terminated"));
  wanted.duration = "51s";
  EXPECT_EQ(refusal_of(wanted), "taken");
}

TEST(DrainPlan, AnExceptionIsForARoleAnApplicationOrAnAddress) {
  auto wanted = options();
  for (const auto* good : {"user=main*", "application_name=/^job/", "client_addr=10.0.0.0/8", "user=a=b"}) {
    wanted.except = {good};
    EXPECT_EQ(refusal_of(wanted), "taken") << good;
  }
  for (const auto* bad : {"maintenance", "database=orders", "client_addr=somewhere", "=x", "user=/(/"}) {
    wanted.except = {bad};
    EXPECT_THAT(refusal_of(wanted), HasSubstr("--except ")) << bad;
  }
}

TEST(DrainPlan, AGateOfAPgbouncerNeedsItsConsole) {
  auto wanted = options();
  wanted.gate = "pgbouncer-disable";
  EXPECT_EQ(refusal_of(wanted), "--gate pgbouncer needs --pgbouncer CONNINFO");
  wanted.pgbouncer_conninfo = "host=pool";
  const auto plan = plan_from(wanted);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->gate, GateKind::kPgbouncer);
  EXPECT_EQ(plan->pgbouncer_gate, PgbouncerGate::kDisable);
}

TEST(DrainPlan, ItsNamesCanStandInAMark) {
  for (const auto& name : {instance_name(), name_by_hand()}) {
    EXPECT_FALSE(name.empty());
    EXPECT_EQ(name.find_first_of(" \t\n"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace pgcurfew
