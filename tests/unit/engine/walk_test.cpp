// Random histories of a desk, checked against the test's own records: what must never happen.
#include <algorithm>
#include <map>

#include "engine/scene.hpp"

namespace pgcurfew::testing {
namespace {

/// One rule's steps on one session at one anchor, according to its orders and their replies.
struct Climb {
  std::optional<std::size_t> reached;  ///< the last step that the server confirmed
  std::optional<ServerTime> confirmed_at;
  bool was_rehearsed = false;
  /// A look showed that the rule did not match; whether that ended the episode depends on what was in flight.
  bool may_begin_anew = false;
};

class Walk {
 public:
  explicit Walk(PolicySpec spec) : spec_(std::move(spec)), desk_(yaml_of(spec_)) {
    open_wide(desk_.policy);
    sessions_ = draw_sessions(draw<std::size_t>(1, 6));
    desk_.look(sessions_, now_);
  }

  void take_a_step() {
    switch (draw(0, 6)) {
      case 0:
        return ask_for_a_look();
      case 1:
        return receive_the_look();
      case 2:
      case 3:
        return receive_a_reply();
      case 4:
        now_ += std::vector<Duration>{1us, 1s, 3s, 10s}[draw<std::size_t>(0, 4)];
        break;
      default:
        break;
    }
    decide_now();
  }

 private:
  /// A step that counts as done when the order is confirmed.
  struct Rise {
    std::size_t rule = 0;
    ServerTime anchor{};
    std::size_t step = 0;
  };
  struct InFlight {
    Order order;
    std::vector<Rise> rises;  ///< the order's own, and those of the rules for which it counts
  };

  /// The look's rows are those of the moment at which it was asked for: requests are answered in order.
  void ask_for_a_look() {
    if (look_on_its_way_) return;
    for (auto& session : sessions_) {
      if (draw(0, 4) == 0) session = drawn_change_of(session, now_);
    }
    Look look;
    look.number = ++desk_.ledger.looks_sent;
    look.taken_at = at(now_);
    look.sessions = sessions_;
    look_on_its_way_ = std::move(look);
  }

  void receive_the_look() {
    if (!look_on_its_way_) return;
    desk_.seen = std::move(*look_on_its_way_);
    look_on_its_way_.reset();
    desk_.docket = make_docket(desk_.policy, desk_.seen);
    settle_look(desk_.policy, desk_.seen, desk_.docket, {}, desk_.ledger);
    note_mismatches();
    RC_ASSERT(desk_.ledger.episodes.size() <=
              sessions_.size() * desk_.policy.rules.size() + in_flight_.size());
  }

  void receive_a_reply() {
    if (in_flight_.empty()) return;
    const auto index = draw<std::size_t>(0, in_flight_.size());
    const auto flight = in_flight_[index];
    in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(index));
    const auto kinds = std::vector<ReplyKind>{
        ReplyKind::kSignalled, ReplyKind::kSignalled, ReplyKind::kSignalled, ReplyKind::kMovedOn,
        ReplyKind::kUnknown,   ReplyKind::kEarly,     ReplyKind::kStale,     ReplyKind::kDenied};
    const auto kind = kinds[draw<std::size_t>(0, kinds.size())];
    desk_.reply(flight.order, kind, now_);
    const auto& session = flight.order.guard.session;
    if (kind == ReplyKind::kDenied) denied_.insert(session);
    if (kind == ReplyKind::kEarly && flight.order.is_signal()) look_needed_.erase(session);
    if (kind != ReplyKind::kSignalled) return;
    for (const auto& rise : flight.rises) {
      auto& climb = climbs_[{session, rise.rule, rise.anchor}];
      climb.may_begin_anew = false;
      climb.reached = rise.step;
      climb.confirmed_at = at(now_);
      const bool is_rehearsal =
          flight.order.step != StepKind::kAlert && flight.order.action == Action::kNothing;
      climb.was_rehearsed = is_rehearsal || (climb.was_rehearsed && flight.order.if_still);
    }
  }

  void decide_now() {
    const MonotonicTime ours(++turns_ * 1h);  // no pause of our own outlasts a turn
    const auto decision = decide(desk_.policy, desk_.seen, desk_.docket, {}, desk_.ledger, {at(now_), ours});
    for (const auto& order : decision.orders) check(order);
    for (const auto& event : decision.events) {
      if (event.kind == Kind::kSuperseded) note_carried(event);
    }
  }

  void check(const Order& order) {
    const auto& session = row_of(order.guard.session);
    const auto rule_index = rule_of(order.rule);
    const auto& rule = desk_.policy.rules[rule_index];
    RC_ASSERT(guard_holds(order.guard, session, at(now_)));
    check_limits(rule_index, session);
    assert_not_in_flight(session.key, rule_index);
    const auto anchor = anchor_for(rule_index, session);
    const auto& climb = climbs_[{session.key, rule_index, anchor}];
    RC_ASSERT(is_in_turn(rule, order, climb, session) ||
              (climb.may_begin_anew && is_in_turn(rule, order, Climb{}, session)));
    if (order.step != StepKind::kAlert) RC_ASSERT(!denied_.contains(session.key));
    RC_ASSERT(order.is_signal() == (order.step != StepKind::kAlert && rule.mode == Mode::kEnforce));
    if (order.is_signal()) {
      const auto needed = look_needed_.find(session.key);
      RC_ASSERT(needed == look_needed_.end() || desk_.seen.number >= needed->second);
      look_needed_[session.key] = desk_.ledger.looks_sent + 1;
    }
    in_flight_.push_back({order, {{rule_index, anchor, order.step_number}}});
  }

  void note_carried(const Event& event) {
    const auto decision = text_field(event, "decision");
    const auto flight = std::find_if(in_flight_.begin(), in_flight_.end(),
                                     [&](const InFlight& other) { return other.order.decision == decision; });
    RC_ASSERT(flight != in_flight_.end());
    const auto rule_index = rule_of(text_field(event, "rule"));
    const auto& rule = desk_.policy.rules[rule_index];
    const auto& session = row_of(flight->order.guard.session);
    assert_not_in_flight(session.key, rule_index);
    const auto step = std::find_if(rule.escalate.begin(), rule.escalate.end(), [&](const Step& each) {
      return name_of(each.kind) == text_field(event, "step");
    });
    RC_ASSERT(step->kind <= flight->order.step);
    flight->rises.push_back({rule_index, anchor_for(rule_index, session),
                             static_cast<std::size_t>(step - rule.escalate.begin())});
  }

  static std::size_t rule_of(const std::string& name) { return std::stoul(name.substr(1)); }

  /// The timestamp of the rule's finest age; state_change is finer than query_start, and so on.
  ServerTime anchor_for(std::size_t rule, const Session& session) const {
    const auto& ages = spec_.rules[rule].ages;
    if (ages.empty()) return anchor_of(desk_.policy.rules[rule], session)->time;
    const auto clock = std::min_element(ages.begin(), ages.end())->first;
    return anchor_of(session, clock).value_or(session.key.backend_start);
  }

  void assert_not_in_flight(const SessionKey& session, std::size_t rule) const {
    for (const auto& flight : in_flight_) {
      if (flight.order.guard.session != session) continue;
      for (const auto& rise : flight.rises) RC_ASSERT(rise.rule != rule);
    }
  }

  /// Each age of the rule by plain subtraction; exceptions only make it later.
  void check_limits(std::size_t rule, const Session& session) {
    for (const auto& [clock, limit] : spec_.rules[rule].ages) {
      const auto start = anchor_of(session, clock);
      RC_ASSERT(start.has_value());
      RC_ASSERT(at(now_) - *start >= std::chrono::seconds(limit));
    }
  }

  /// Whether the order's step is the next of a ladder that got as far as `climb`.
  bool is_in_turn(const Rule& rule, const Order& order, const Climb& climb, const Session& session) const {
    const std::size_t from = climb.reached ? *climb.reached + 1 : 0;
    // past a step of a dry run that would have had its effect the ladder goes on, and says so
    if (order.if_still != climb.was_rehearsed || order.step_number < from) return false;
    Duration grace = rule.escalate[order.step_number].after;
    for (auto i = from; i < order.step_number; ++i) {
      grace += rule.escalate[i].after;
      // a skipped step is a cancel without effect, nothing else
      if (rule.escalate[i].kind != StepKind::kCancel) return false;
      if (session.state == State::kActive || session.state == State::kFastpathFunctionCall) return false;
    }
    return !climb.confirmed_at || at(now_) - *climb.confirmed_at >= grace;
  }

  void note_mismatches() {
    std::set<std::tuple<SessionKey, std::size_t, ServerTime>> standing;
    for (const auto& each : desk_.docket.cases) {
      standing.emplace(desk_.seen.sessions[each.session].key, each.rule, each.judgement.anchor);
    }
    for (auto& [key, climb] : climbs_) climb.may_begin_anew |= !standing.contains(key);
  }

  const Session& row_of(const SessionKey& key) const {
    for (const auto& session : desk_.seen.sessions) {
      if (session.key == key) return session;
    }
    RC_FAIL("an order for a session that the look does not show");
  }

  PolicySpec spec_;
  Desk desk_;
  Duration now_{};
  int turns_ = 0;
  std::vector<Session> sessions_;
  std::optional<Look> look_on_its_way_;
  std::vector<InFlight> in_flight_;
  std::map<std::tuple<SessionKey, std::size_t, ServerTime>, Climb> climbs_;
  std::map<SessionKey, std::uint64_t> look_needed_;  ///< since the last signal
  std::set<SessionKey> denied_;
};

RC_GTEST_PROP(WalkProperty, NoLadderIsClimbedOutOfTurn, ()) {
  Walk walk(*any_policy());
  for (int i = 0; i < 40; ++i) walk.take_a_step();
}

}  // namespace
}  // namespace pgcurfew::testing
