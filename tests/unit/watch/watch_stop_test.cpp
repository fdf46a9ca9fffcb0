#include <gtest/gtest.h>

#include "engine/engine_fixture.hpp"
#include "watch/watch.hpp"

namespace pgcurfew::testing {
namespace {

/// A watch whose drain of `app` has closed the gate, and its server.
class Drained {
 public:
  Drained() : watch_(policy(), {"s", "w", 42, "me"}) {
    happen(happening::Tick{});
    connect();
    look();
    EXPECT_EQ(limit_, 0);
  }

  void connect() {
    ServerFacts facts;
    facts.role = "pgcurfew";
    facts.can_read_all_stats = facts.can_signal = true;
    facts.postmaster_start = at(postmaster_start_);
    is_up_ = true;
    happen(happening::Connected{facts});
  }
  void lose_connection() {
    is_up_ = false;
    connects_ = 0;
    happen(happening::ConnectionLost{{"the server closed the connection", {}, {}, {}}});
  }
  void restart_server() { postmaster_start_ = now_; }
  void look() {
    Look seen;
    seen.number = ++looks_;
    seen.taken_at = at(now_) + skew_;
    happen(happening::LookTaken{seen});
  }
  void set_clock(Duration forward) { skew_ += forward; }
  void open_by_hand() {
    limit_ = -1;
    mark_.reset();
  }
  void tick_until(Duration end) {
    while (now_ < end) {
      now_ += 50ms;
      happen(happening::Tick{});
    }
  }
  void stop() { happen(happening::StopAsked{}); }

  [[nodiscard]] int limit() const { return limit_; }
  [[nodiscard]] bool wants_to_connect() const { return connects_ > 0; }
  [[nodiscard]] const Watch& watch() const { return watch_; }

 private:
  static std::shared_ptr<const Policy> policy() {
    auto policy = policy_of("");
    Drain plan;
    plan.name = "d";
    plan.databases = {TextPattern::parse("app").value()};
    plan.begins = at(0s);
    plan.duration = 10min;
    plan.wait = 10s;
    plan.escalate = {{StepKind::kTerminate, 5s, {}}};
    plan.mode = Mode::kEnforce;
    policy.drains = {plan};
    return std::make_shared<const Policy>(policy);
  }

  void happen(const Happening& what) {
    for (const auto& command : watch_.on(what, MonotonicTime(now_), {})) carry_out(command);
  }
  void carry_out(const Command& command) {
    if (const auto* append = std::get_if<command::Append>(&command)) {
      happen(happening::Appended{append->number});
    }
    if (std::holds_alternative<command::Connect>(command)) ++connects_;
    if (!is_up_) return;
    if (std::holds_alternative<command::ReadGates>(command)) happen(happening::GatesRead{gates()});
    if (std::holds_alternative<command::TakePulse>(command)) happen(happening::Pulsed{at(now_) + skew_});
    if (const auto* turn = std::get_if<command::TurnGate>(&command)) happen_turn(turn->order);
  }
  void happen_turn(const GateOrder& order) {
    GateReply reply;
    reply.id = order.id;
    if (order.closes) {
      limit_ = 0;
      mark_ = order.mark;
      reply.outcome = GateOutcome::kClosed;
    } else if (mark_ && to_text(*mark_) == order.mark_text) {
      open_by_hand();
      reply.outcome = GateOutcome::kOpened;
    } else {
      reply.outcome = GateOutcome::kGone;
    }
    reply.mark = mark_;
    reply.mark_text = mark_ ? to_text(*mark_) : "";
    reply.limit = limit_;
    happen(happening::GateTurned{reply});
  }
  [[nodiscard]] Gates gates() const {
    Gates found;
    found.taken_at = at(now_) + skew_;
    found.own_database = "postgres";
    Gate gate;
    gate.database = "app";
    gate.access = GateAccess::kMark;
    gate.limit = limit_;
    gate.mark = mark_;
    if (mark_) gate.mark_text = to_text(*mark_);
    found.gates = {gate};
    return found;
  }

  Watch watch_;
  Duration now_ = 1s;
  Duration skew_{};
  Duration postmaster_start_ = -24h;
  std::uint64_t looks_ = 0;
  int connects_ = 0;
  bool is_up_ = false;
  int limit_ = -1;
  std::optional<GateMark> mark_;
};

TEST(WatchStop, StopsByGivingBack) {
  Drained d;
  d.stop();
  EXPECT_EQ(d.limit(), -1);
  EXPECT_TRUE(d.watch().is_stopped());
}

TEST(WatchStop, OpensItsGatesWhenItIsStoppedWhileTheClockIsNotTrusted) {
  Drained d;
  d.set_clock(1h);
  d.tick_until(3s);
  d.look();
  ASSERT_EQ(d.limit(), 0) << "nothing is done by a clock that jumped";
  d.stop();
  d.tick_until(4s);
  EXPECT_EQ(d.limit(), -1) << "to give back takes no clock";
  EXPECT_TRUE(d.watch().is_stopped());
}

TEST(WatchStop, OpensItsGatesWhenItIsStoppedWhileTheServerIsAway) {
  for (const bool is_restarted : {false, true}) {
    Drained d;
    d.lose_connection();
    d.stop();
    EXPECT_FALSE(d.watch().is_stopped()) << "a gate is closed";
    d.tick_until(2s);
    ASSERT_TRUE(d.wants_to_connect());
    if (is_restarted) d.restart_server();
    d.connect();
    d.tick_until(3s);
    EXPECT_EQ(d.limit(), -1);
    EXPECT_TRUE(d.watch().is_stopped());
  }
}

TEST(WatchStop, DoesNotWaitForAServerThatIsAwayOnceItsGateIsOpen) {
  Drained d;
  d.open_by_hand();
  d.tick_until(5s);
  d.lose_connection();
  d.stop();
  EXPECT_TRUE(d.watch().is_stopped());
}

}  // namespace
}  // namespace pgcurfew::testing
