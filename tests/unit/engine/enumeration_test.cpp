// Small spaces, enumerated completely, against an oracle that was written from the laws.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "engine/oracle.hpp"

namespace pgcurfew::testing {
namespace {

constexpr std::array kClocks{Clock::kStateAge, Clock::kQueryAge, Clock::kTransactionAge, Clock::kSessionAge};
constexpr std::array kRuleStates{States::kAny, States::kActive, States::kActiveOrIdleInTransaction};
constexpr std::array kModes{Mode::kEnforce, Mode::kDryRun};
constexpr std::array kExemptions{Exemption::kNone, Exemption::kForGood, Exemption::kUntilLater,
                                 Exemption::kProtected};

std::vector<Ladder> all_ladders() {
  return {{{StepKind::kCancel, 0s}},
          {{StepKind::kTerminate, 0s}},
          {{StepKind::kCancel, 0s}, {StepKind::kTerminate, kGrace}},
          {{StepKind::kAlert, 0s}, {StepKind::kTerminate, kGrace}}};
}

std::vector<std::optional<State>> all_states() {
  return {State::kActive,
          State::kIdle,
          State::kIdleInTransaction,
          State::kIdleInTransactionAborted,
          State::kFastpathFunctionCall,
          State::kDisabled,
          State::kStarting,
          State::kOther,
          std::nullopt};
}

/// Below, just below, at, just above and far above every possible limit, counted from the anchor.
std::vector<Duration> all_ages(bool with_past) {
  std::vector<Duration> limits{kLimit, kLimit + kGrace, kLaterLimit, kLaterLimit + kGrace};
  if (with_past) limits.insert(limits.begin() + 2, kLimit + kReplyTakes + kGrace);
  std::vector<Duration> ages{0s, kLimit / 2};
  for (const auto limit : limits) ages.insert(ages.end(), {limit - 1us, limit, limit + 1us});
  ages.emplace_back(24h);
  return ages;
}

std::string yaml_of(const SmallCase& c) {
  constexpr const char* kStates[] = {"", "state: active, ", "state: [active, idle in transaction], "};
  // long reached; the anchor stays the finest age's all the same
  const auto* coarser = c.clock == Clock::kSessionAge ? "" : ", session_age: 1s";
  std::vector<std::string> steps;
  for (const auto& rung : c.ladder) {
    steps.push_back(fmt::format("{}: {{ after: {}s }}", name_of(rung.kind), rung.after / 1s));
  }
  return fmt::format(
      "protect: [ {{ application_name: pg_dump }} ]\n"
      "rules: [ {{ name: r, mode: {}, match: {{ {}{}: {}s{} }}, escalate: [ {} ],\n"
      "  except: [ {{ application_name: nightly }}, {{ application_name: etl, {}: {}s }},\n"
      "            {{ application_name: \"?tl\" }} ] }} ]\n",  // never reached: the first that matches
                                                               // applies
      name_of(c.mode), kStates[static_cast<int>(c.states)], name_of(c.clock), kLimit / 1s, coarser,
      fmt::join(steps, ", "), name_of(c.clock), kLaterLimit / 1s);
}

/// The session of a case. All timestamps except the rule's own differ, so that a wrong clock is detected.
Session session_of(const SmallCase& c) {
  constexpr const char* kNames[] = {"psql", "nightly", "etl", "pg_dump"};
  const auto own = at(c.anchor_moved ? kMovedAnchor : kAnchor);
  const auto stamp = [&](Clock clock, Duration elsewhere) { return clock == c.clock ? own : at(elsewhere); };
  Session session = active(1, 0s);
  session.key.backend_start = stamp(Clock::kSessionAge, -17s);
  session.xact_start = session.query_start = session.state_change = std::nullopt;
  if (c.has_xact_start) session.xact_start = stamp(Clock::kTransactionAge, -11s);
  if (c.has_query_start) session.query_start = stamp(Clock::kQueryAge, -7s);
  if (c.has_state_change) session.state_change = stamp(Clock::kStateAge, -3s);
  session.state = c.state;
  session.application_name = kNames[static_cast<int>(c.exemption)];
  return session;
}

/// The session in the past: it runs a query, and nothing exempts it.
Session past_session_of(SmallCase c) {
  c.state = State::kActive;
  c.has_xact_start = c.has_query_start = c.has_state_change = true;
  c.exemption = Exemption::kNone;
  c.anchor_moved = false;
  return session_of(c);
}

ReplyKind reply_of(Past past) {
  if (past == Past::kUnknown) return ReplyKind::kUnknown;
  if (past == Past::kSpared) return ReplyKind::kMovedOn;
  return past == Past::kDenied ? ReplyKind::kDenied : ReplyKind::kSignalled;
}

/// The ledger up to the last order of the past.
struct Memory {
  Ledger ledger;
  std::optional<Order> order;
  Duration ordered_at{};
  std::uint64_t look_on_its_way = 0;
};

Memory past_of(const SmallCase& c, Desk& desk) {
  Memory memory;
  desk.ledger = Ledger{};
  if (c.past == Past::kNone) return memory;
  const bool is_overtaken = c.timing == Timing::kBeforeOrder;
  desk.look({past_session_of(c)}, kLimit / 2);
  if (is_overtaken && c.past != Past::kSentTwice) memory.look_on_its_way = ++desk.ledger.looks_sent;
  memory.ordered_at = kLimit + c.ladder.at(0).after;
  memory.order = desk.decide_at(memory.ordered_at).orders.at(0);
  if (c.past == Past::kSentTwice) {
    memory.ordered_at += kReplyTakes;
    desk.reply(*memory.order, ReplyKind::kSignalled, memory.ordered_at);
    desk.look({past_session_of(c)}, memory.ordered_at + 1s);
    if (is_overtaken) memory.look_on_its_way = ++desk.ledger.looks_sent;
    memory.ordered_at += c.ladder.at(1).after;
    memory.order = desk.decide_at(memory.ordered_at).orders.at(0);
  }
  memory.ledger = desk.ledger;
  return memory;
}

/// Brings the desk from there to the look of the case.
void live_on(const SmallCase& c, Desk& desk, const Memory& memory) {
  desk.ledger = memory.ledger;
  const bool has_reply = c.past != Past::kNone && c.past != Past::kUnanswered;
  const auto answer = [&] {
    if (has_reply) desk.reply(*memory.order, reply_of(c.past), memory.ordered_at + kReplyTakes);
  };
  if (c.timing != Timing::kBeforeReply) answer();
  desk.seen.number = memory.look_on_its_way > 0 ? memory.look_on_its_way : ++desk.ledger.looks_sent;
  desk.seen.taken_at = at(c.past == Past::kNone ? 0s : last_step_of(c));
  desk.seen.sessions = {session_of(c)};
  desk.docket = make_docket(desk.policy, desk.seen);
  settle_look(desk.policy, desk.seen, desk.docket, {}, desk.ledger);
  if (c.timing == Timing::kBeforeReply) answer();
}

/// Empty if the decision is what the oracle expects, otherwise the difference.
std::string complaint_about(const Decision& decision, const SmallCase& c, const Session& session) {
  const auto expected = expected_of(c);
  const bool is_due = expected && expected->due <= c.now;
  if (!is_due) {
    if (!decision.orders.empty()) return fmt::format("ordered {}", name_of(decision.orders[0].step));
    // a session that may not be signalled is known only once it is due
    if (c.past == Past::kDenied) return "";
    const auto due = expected ? std::optional(at(expected->due)) : std::nullopt;
    return decision.next_due == due ? "" : "next_due is wrong";
  }
  if (decision.orders.size() != 1) return fmt::format("no {}", name_of(expected->kind));
  const auto& order = decision.orders[0];
  auto action = expected->kind == StepKind::kCancel ? Action::kCancel : Action::kTerminate;
  if (expected->kind == StepKind::kAlert || c.mode == Mode::kDryRun) action = Action::kNothing;
  if (order.step != expected->kind || order.step_number != expected->step) return "another step";
  if (order.action != action) return "another action";
  if (order.guard.session != session.key) return "another session";
  if (order.guard.not_before != at(expected->due)) return "the guard's not_before is wrong";
  if (decision.next_due) return "next_due without need";
  return "";
}

/// All ages of one case that are not before its past.
std::size_t check_ages(SmallCase c, Desk& desk, const Memory& memory, const std::vector<Duration>& ages) {
  live_on(c, desk, memory);
  const auto& session = desk.seen.sessions.at(0);
  auto ledger = desk.ledger;
  std::size_t count = 0;
  for (const auto age : ages) {
    c.now = age + (c.anchor_moved ? kMovedAnchor : kAnchor);
    if (c.past != Past::kNone && c.now < last_step_of(c)) continue;
    // our own pauses are over
    const MonotonicTime ours(c.now + 1000h);
    const auto decision = decide(desk.policy, desk.seen, desk.docket, {}, ledger, {at(c.now), ours});
    if (!decision.orders.empty()) ledger = desk.ledger;
    const auto complaint = complaint_about(decision, c, session);
    if (!complaint.empty()) ADD_FAILURE() << complaint << "\n" << text_of(c);
    ++count;
  }
  return count;
}

/// Calls for every rule of the small world, with a desk that has its policy.
template <class Visit>
void for_each_rule(Visit visit) {
  for (const auto& ladder : all_ladders()) {
    for (const auto clock : kClocks) {
      for (const auto states : kRuleStates) {
        for (const auto mode : kModes) {
          SmallCase c;
          c.clock = clock;
          c.ladder = ladder;
          c.states = states;
          c.mode = mode;
          Desk desk(yaml_of(c));
          visit(c, desk);
          if (::testing::Test::HasFailure()) return;  // the first failures are enough
        }
      }
    }
  }
}

TEST(Enumeration, EachAgeStateNullAndExemptionOfASessionWithoutAPast) {
  const auto ages = all_ages(false);
  std::size_t count = 0;
  for_each_rule([&](SmallCase c, Desk& desk) {
    const auto memory = past_of(c, desk);
    for (const auto state : all_states()) {
      c.state = state;
      for (const auto exemption : kExemptions) {
        c.exemption = exemption;
        for (unsigned nulls = 0; nulls < 8; ++nulls) {
          c.has_xact_start = (nulls & 1) == 0;
          c.has_query_start = (nulls & 2) == 0;
          c.has_state_change = (nulls & 4) == 0;
          count += check_ages(c, desk, memory, ages);
        }
      }
    }
  });
  EXPECT_EQ(count, 414720U);
}

/// All possible pasts of a case's ladder.
std::vector<std::pair<Past, Timing>> all_pasts(const Ladder& ladder) {
  std::vector<std::pair<Past, Timing>> pasts{{Past::kUnanswered, Timing::kAfterReply}};
  for (const auto past : {Past::kSent, Past::kSentTwice, Past::kUnknown, Past::kSpared, Past::kDenied}) {
    if (past == Past::kSentTwice && ladder.size() < 2) continue;
    for (const auto timing : {Timing::kAfterReply, Timing::kBeforeOrder, Timing::kBeforeReply}) {
      pasts.emplace_back(past, timing);
    }
  }
  return pasts;
}

TEST(Enumeration, EachStepReachedAnchorAndLookOfASessionWithAPast) {
  const auto ages = all_ages(true);
  std::size_t count = 0;
  for_each_rule([&](SmallCase c, Desk& desk) {
    if (c.states == States::kActive) return;  // the space above has it, and it is in the wider one
    for (const auto& [past, timing] : all_pasts(c.ladder)) {
      c.past = past;
      c.timing = timing;
      const auto memory = past_of(c, desk);
      for (const auto state : {std::optional(State::kActive), std::optional(State::kIdle),
                               std::optional(State::kIdleInTransaction), std::optional<State>()}) {
        c.state = state;
        for (const auto exemption : kExemptions) {
          c.exemption = exemption;
          for (const bool moved : {false, true}) {
            c.anchor_moved = moved;
            count += check_ages(c, desk, memory, ages);
          }
        }
      }
    }
  });
  EXPECT_EQ(count, 451072U);
}

}  // namespace
}  // namespace pgcurfew::testing
