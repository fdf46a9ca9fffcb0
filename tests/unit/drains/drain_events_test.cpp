#include "drains/drain_events.hpp"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;

constexpr ServerTime kNow{1000h};

std::vector<std::string> limits_in(const Event& event) {
  std::vector<std::string> names;
  for (const auto& field : event.fields) {
    if (field.first == "access" || field.first == "limit" || field.first == "limit_before") {
      names.emplace_back(field.first);
    }
  }
  return names;
}

/// For each event of a gate, its fields about limits and our privilege to set them.
std::vector<std::vector<std::string>> limits_told_of(GateKind kind) {
  Drain plan;
  plan.gate = kind;
  GateOrder order;
  order.kind = kind;
  Gate gate;
  gate.kind = kind;
  gate.mark = GateMark{"d", "by", 3, kNow, kNow};
  GateReply reply;
  reply.outcome = GateOutcome::kOpened;
  reply.mark = gate.mark;
  std::vector<std::vector<std::string>> all;
  for (const auto& event :
       {gate_intent_event(plan, order, false), gate_rehearsed_event(plan, "db", GateAccess::kMark),
        gate_closed_event(plan, "db", reply), gate_adopted_event(plan, "db", *gate.mark, "us"),
        gate_opened_event("d", "db", kind, reply), gate_overdue_event(gate, Mode::kEnforce)}) {
    all.push_back(limits_in(event));
  }
  return all;
}

TEST(DrainEvents, OfAGateOfAPgbouncerNoLimitIsTold) {
  using testing::ElementsAre;
  EXPECT_THAT(limits_told_of(GateKind::kConnectionLimit),
              ElementsAre(ElementsAre("access"), ElementsAre("access"), ElementsAre("limit_before"),
                          ElementsAre("limit_before"), ElementsAre("limit"), ElementsAre("limit_before")));
  EXPECT_THAT(limits_told_of(GateKind::kPgbouncer), testing::Each(testing::IsEmpty()));
}

TEST(DrainEvents, TheAnnouncementSaysWhatWasAskedFor) {
  Drain plan;
  plan.name = "d";
  plan.duration = 45min;
  const auto message_before = [&](Duration wait) {
    return drain_announced_event(plan, {kNow + wait, kNow + wait + 45min}, kNow).message;
  };
  EXPECT_EQ(message_before(20s - 3ms), "drain d begins in 20s, for 45min");
  EXPECT_EQ(message_before(24h - 3ms), "drain d begins in 1d, for 45min");
  EXPECT_EQ(message_before(400ms), "drain d begins in 400ms, for 45min");
}

TEST(DrainEvents, TimesHaveTheirSeconds) {
  Drain plan;
  plan.name = "d";
  const Interval window{kNow, kNow + 20s};
  EXPECT_THAT(drain_missed_event(plan, window).message, testing::HasSubstr(":00 UTC to "));
  EXPECT_THAT(drain_missed_event(plan, window).message, testing::HasSubstr(":00:20 UTC"));
}

}  // namespace
}  // namespace pgcurfew
