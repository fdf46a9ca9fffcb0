// Three rules on one session, in each combination: which step is ordered, and which steps count as done.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {
namespace {

constexpr std::array kKinds{StepKind::kAlert, StepKind::kCancel, StepKind::kTerminate};
constexpr std::size_t kRules = 3;

struct Rival {
  StepKind kind = StepKind::kAlert;
  Mode mode = Mode::kEnforce;
  Duration limit{};
  bool is_done = false;  ///< ordered, or counted as done by an order
};
using Rivals = std::array<Rival, kRules>;

struct Heard {
  std::vector<std::size_t> ordered;  ///< in this order
  std::vector<std::size_t> carried;
  std::optional<ServerTime> next_due;
};

/// What is ordered at `now`; marks it as done. "At most one signal a session, of the strongest step that is
/// due; ties go to the rule that stands first. The others are superseded and climb with it"; a rehearsal
/// blocks no other step, nor does an alert; alerts come after the signals.
Heard hear(Rivals& rivals, bool is_idle, Duration now) {
  Heard heard;
  for (const auto& rival : rivals) {
    if (rival.is_done || (rival.kind == StepKind::kCancel && is_idle) || rival.limit <= now) continue;
    heard.next_due = std::min(heard.next_due.value_or(at(rival.limit)), at(rival.limit));
  }
  const auto is_ready = [&](const Rival& rival) {
    return !rival.is_done && rival.limit <= now && !(rival.kind == StepKind::kCancel && is_idle);
  };
  for (const auto mode : {Mode::kEnforce, Mode::kDryRun}) {
    const auto has_say = [&](const Rival& rival) {
      return rival.mode == mode && rival.kind != StepKind::kAlert && is_ready(rival);
    };
    std::optional<std::size_t> strongest;
    for (std::size_t i = 0; i < kRules; ++i) {
      if (has_say(rivals[i]) && (!strongest || rivals[i].kind > rivals[*strongest].kind)) strongest = i;
    }
    if (strongest) heard.ordered.push_back(*strongest);
    for (std::size_t i = 0; i < kRules; ++i) {
      if (has_say(rivals[i]) && i != *strongest) heard.carried.push_back(i);
    }
  }
  for (std::size_t i = 0; i < kRules; ++i) {
    if (rivals[i].kind == StepKind::kAlert && is_ready(rivals[i])) heard.ordered.push_back(i);
  }
  for (const auto i : heard.ordered) rivals[i].is_done = true;
  for (const auto i : heard.carried) rivals[i].is_done = true;
  return heard;
}

std::string text_of(const Rivals& rivals, bool is_idle, Duration now) {
  std::string text = fmt::format("{} session, now {}us\n", is_idle ? "idle" : "active", now.count());
  for (const auto& rival : rivals) {
    text += fmt::format("  {} {} at {}us{}\n", name_of(rival.mode), name_of(rival.kind), rival.limit.count(),
                        rival.is_done ? ", done" : "");
  }
  return text;
}

/// Whether the decision is the expected one.
bool is_as_heard(const Decision& decision, const Heard& heard) {
  std::vector<std::size_t> ordered;
  std::vector<std::size_t> carried;
  for (const auto& order : decision.orders) ordered.push_back(std::stoul(order.rule));
  for (const auto& event : decision.events) {
    if (event.kind == Kind::kSuperseded) carried.push_back(std::stoul(text_field(event, "rule")));
  }
  return ordered == heard.ordered && carried == heard.carried && decision.next_due == heard.next_due;
}

/// One decision, its replies, a fresh look, and another one much later.
void check_lives(Desk& desk, const Rivals& before, bool is_idle) {
  auto session = active(1, 0s);
  if (is_idle) session.state = State::kIdle;
  for (const auto now : {Duration(100s - 1us), Duration(100s), Duration(200s - 1us), Duration(200s)}) {
    auto rivals = before;
    desk.ledger = Ledger{};
    desk.look({session}, 1s);
    const auto first = desk.decide_at(now);
    EXPECT_TRUE(is_as_heard(first, hear(rivals, is_idle, now))) << text_of(before, is_idle, now);
    for (const auto& order : first.orders) desk.reply(order, ReplyKind::kSignalled, now);
    desk.look({session}, now + 1ms);
    const auto between = rivals;
    const auto second = desk.decide_at(500s);
    EXPECT_TRUE(is_as_heard(second, hear(rivals, is_idle, 500s)))
        << text_of(before, is_idle, now) << text_of(between, is_idle, 500s);
  }
}

/// Calls for each combination of kind, mode and limit of three rules.
template <class Visit>
void for_each_trio(Visit visit) {
  constexpr std::size_t kEach = kKinds.size() * 2 * 2;
  for (std::size_t code = 0; code < kEach * kEach * kEach; ++code) {
    Rivals rivals;
    auto rest = code;
    const auto take = [&rest](std::size_t n) {
      const auto digit = rest % n;
      rest /= n;
      return digit;
    };
    for (auto& rival : rivals) {
      rival.kind = kKinds[take(kKinds.size())];
      rival.mode = take(2) == 0 ? Mode::kEnforce : Mode::kDryRun;
      rival.limit = take(2) == 0 ? 100s : 200s;
    }
    visit(rivals);
    if (::testing::Test::HasFailure()) return;  // the first failures are enough
  }
}

TEST(Rivals, EachKindModeAndLimitOfThreeRulesOnOneSession) {
  Desk desk(
      "rules: [ { name: \"0\", match: { query_age: 1s }, escalate: [ alert ] },"
      "         { name: \"1\", match: { query_age: 1s }, escalate: [ alert ] },"
      "         { name: \"2\", match: { query_age: 1s }, escalate: [ alert ] } ]");
  std::size_t count = 0;
  for_each_trio([&](const Rivals& rivals) {
    for (std::size_t i = 0; i < kRules; ++i) {
      auto& rule = desk.policy.rules[i];
      rule.mode = rivals[i].mode;
      rule.escalate[0].kind = rivals[i].kind;
      rule.match.ages[0].limit = rivals[i].limit;
    }
    for (const bool is_idle : {false, true}) {
      check_lives(desk, rivals, is_idle);
      ++count;
    }
  });
  EXPECT_EQ(count, 2U * 12 * 12 * 12);
}

}  // namespace
}  // namespace pgcurfew::testing
