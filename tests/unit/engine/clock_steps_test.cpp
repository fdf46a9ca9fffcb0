#include "engine/clock_steps.hpp"

#include <gtest/gtest.h>

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

TEST(ClockSteps, AgesAcrossAStepForwardAreTooHighByIt) {
  ClockSteps steps;
  steps.note(1h, at(10s), at(1h + 9s));
  EXPECT_EQ(steps.excess(at(5s)), 1h);
  EXPECT_EQ(steps.excess(at(1h + 10s)), 0s) << "taken after it";
  EXPECT_EQ(steps.end_of(at(5s), 30s), at(1h + 35s));
}

TEST(ClockSteps, AStepBackTakesNothingOff) {
  ClockSteps steps;
  steps.note(-1h, at(10s), at(-1h + 9s));
  EXPECT_EQ(steps.excess(at(5s)), 0s);
}

TEST(ClockSteps, ForwardAndBackAgainIsNothingForWhoWasThereBefore) {
  ClockSteps steps;
  steps.note(1h, at(10s), at(1h + 9s));
  steps.note(-1h, at(1h + 20s), at(19s));
  EXPECT_EQ(steps.excess(at(5s)), 0s);
}

TEST(ClockSteps, WhereATimestampCanBeFromBeforeOrAfterItIsTakenForTheOlder) {
  ClockSteps steps;
  steps.note(-1h, at(10s), at(-1h + 9s));
  steps.note(1h, at(-1h + 60s), at(59s));
  EXPECT_EQ(steps.excess(at(-1h + 30s)), 1h) << "from before both, or from between";
  EXPECT_EQ(steps.excess(at(70s)), 0s) << "after both";
}

TEST(ClockSteps, TwoStepsSeenAsOneCountWholly) {
  ClockSteps steps;
  steps.note(1h, at(10s), at(1h + 9s));
  EXPECT_EQ(steps.excess(at(30min)), 1h) << "the clock stood there in between, perhaps";
}

TEST(ClockSteps, ManyStepsAreRememberedInBoundedSpaceAndNeverForgotten) {
  ClockSteps steps;
  for (int i = 1; i <= 100; ++i) steps.note(1min, at(i * 2min), at(i * 2min + 1min));
  EXPECT_EQ(steps.excess(at(1s)), 100min);
}

}  // namespace
}  // namespace pgcurfew::testing
