// What holds for decide() for any policy, any sessions and any past.
#include <algorithm>

#include "engine/scene.hpp"

namespace pgcurfew::testing {
namespace {

void shift(std::optional<ServerTime>& time, Duration by) {
  if (time) *time += by;
}

Session shifted(Session session, Duration by) {
  session.key.backend_start += by;
  shift(session.xact_start, by);
  shift(session.query_start, by);
  shift(session.state_change, by);
  return session;
}

Ledger shifted(const Ledger& ledger, Duration by) {
  Ledger other = ledger;
  other.episodes.clear();
  other.touched.clear();
  other.denied.clear();
  const auto moved = [&](SessionKey key) { return SessionKey{key.pid, key.backend_start + by}; };
  for (auto [key, episode] : ledger.episodes) {
    episode.anchor += by;
    shift(episode.stepped_at, by);
    other.episodes.emplace(EpisodeKey{moved(key.session), key.claimant}, episode);
  }
  other.told_skips.clear();
  for (const auto& [key, anchor] : ledger.told_skips)
    other.told_skips.emplace(EpisodeKey{moved(key.session), key.claimant}, anchor + by);
  for (const auto& [key, look] : ledger.touched) other.touched.emplace(moved(key), look);
  for (const auto& key : ledger.denied) other.denied.insert(moved(key));
  return other;
}

Guard shifted(Guard guard, Duration by) {
  guard.session.backend_start += by;
  guard.not_before += by;
  guard.not_after += by;
  if (guard.xact_start) shift(*guard.xact_start, by);
  if (guard.query_start) shift(*guard.query_start, by);
  if (guard.state_change) shift(*guard.state_change, by);
  return guard;
}

std::vector<std::string> written(const std::vector<TextPattern>& patterns) {
  std::vector<std::string> texts;
  for (const auto& pattern : patterns) texts.push_back(pattern.written());
  return texts;
}

void assert_same(const TextGuard& a, const TextGuard& b) {
  RC_ASSERT(a.unchanged == b.unchanged);
  RC_ASSERT(a.fits.has_value() == b.fits.has_value());
  if (a.fits) RC_ASSERT(written(*a.fits) == written(*b.fits));
  RC_ASSERT(written(a.spares) == written(b.spares));
}

void assert_same(const Guard& a, const Guard& b) {
  RC_ASSERT(a.session == b.session);
  RC_ASSERT(a.backend_type == b.backend_type);
  RC_ASSERT(a.not_before == b.not_before);
  RC_ASSERT(a.not_after == b.not_after);
  RC_ASSERT(a.xact_start == b.xact_start);
  RC_ASSERT(a.query_start == b.query_start);
  RC_ASSERT(a.state_change == b.state_change);
  RC_ASSERT(a.states == b.states);
  RC_ASSERT(a.spared_states == b.spared_states);
  RC_ASSERT(a.texts.size() == b.texts.size());
  for (const auto& [field, text] : a.texts) {
    RC_ASSERT(b.texts.contains(field));
    assert_same(text, b.texts.at(field));
  }
  RC_ASSERT(a.numbers == b.numbers);
}

/// Everything but the decision's id, the mode and what the mode makes of it.
void assert_same_step(const Order& a, const Order& b, Duration by) {
  assert_same(shifted(a.guard, by), b.guard);
  RC_ASSERT(a.rule == b.rule);
  RC_ASSERT(a.step == b.step);
  RC_ASSERT(a.step_number == b.step_number);
  RC_ASSERT(a.clock == b.clock);
  RC_ASSERT(a.clock_start + by == b.clock_start);
  RC_ASSERT(a.limit == b.limit);
  RC_ASSERT(a.age == b.age);
  RC_ASSERT(a.grace == b.grace);
  RC_ASSERT(a.database == b.database);
  RC_ASSERT(a.user == b.user);
  RC_ASSERT(a.application_name == b.application_name);
  RC_ASSERT(a.state == b.state);
}

RC_GTEST_PROP(DecideProperty, ShiftingAllTimesShiftsTheOrdersTimesAndNothingElse, ()) {
  const auto scene = *any_scene({.has_bounds = true});
  const auto by = Duration(draw<std::int64_t>(-1000000000000, 1000000000000));
  auto desk = copy_of(scene);
  auto other = copy_of(scene);
  other.seen.taken_at += by;
  for (auto& session : other.seen.sessions) session = shifted(session, by);
  ClockSteps steps;
  ClockSteps shifted_steps;
  if (draw(0, 3) == 0) {
    const auto set = std::chrono::seconds(draw(-20, 20));
    const auto then = at(std::chrono::seconds(draw(-60, 0)));
    steps.note(set, then, then + set);
    shifted_steps.note(set, then + by, then + set + by);
  }
  desk.docket = make_docket(desk.policy, desk.seen, steps);
  other.docket = make_docket(other.policy, other.seen, shifted_steps);
  other.ledger = shifted(desk.ledger, by);
  const MonotonicTime ours(scene.now + 1h);
  const auto a = desk.decide_at(scene.now);
  const auto b = decide(other.policy, other.seen, other.docket, {}, other.ledger, {at(scene.now) + by, ours});
  RC_ASSERT(a.orders.size() == b.orders.size());
  for (std::size_t i = 0; i < a.orders.size(); ++i) {
    assert_same_step(a.orders[i], b.orders[i], by);
    RC_ASSERT(a.orders[i].decision == b.orders[i].decision);
    RC_ASSERT(a.orders[i].action == b.orders[i].action);
    RC_ASSERT(a.orders[i].mode == b.orders[i].mode);
  }
  RC_ASSERT(kinds_of(a.events) == kinds_of(b.events));
  RC_ASSERT(a.next_due.has_value() == b.next_due.has_value());
  if (a.next_due) RC_ASSERT(*a.next_due + by == *b.next_due);
  RC_ASSERT(a.wake == b.wake);
}

/// What an order does to which session, but not when it was decided.
std::tuple<SessionKey, std::string, std::size_t, Action> essence_of(const Order& order) {
  return {order.guard.session, order.rule, order.step_number, order.action};
}

RC_GTEST_PROP(DecideProperty, TheOrderOfTheRowsChangesNothing, ()) {
  const auto scene = *any_scene({.has_bounds = true});
  auto desk = copy_of(scene);
  auto other = copy_of(scene);
  auto& rows = other.seen.sessions;
  for (std::size_t i = rows.size(); i > 1; --i) {
    std::swap(rows[i - 1], rows[draw<std::size_t>(0, i)]);
  }
  other.docket = make_docket(other.policy, other.seen);
  const auto a = desk.decide_at(scene.now);
  const auto b = other.decide_at(scene.now);
  std::multiset<std::tuple<SessionKey, std::string, std::size_t, Action>> all_a;
  std::multiset<std::tuple<SessionKey, std::string, std::size_t, Action>> all_b;
  for (const auto& order : a.orders) all_a.insert(essence_of(order));
  for (const auto& order : b.orders) all_b.insert(essence_of(order));
  RC_ASSERT(all_a == all_b);
  RC_ASSERT(a.next_due == b.next_due);
  RC_ASSERT(a.wake == b.wake);
  auto twin = copy_of(scene);
  auto other_twin = with_policy(other, scene.spec);
  twin.ledger = scene.desk.ledger;
  other_twin.ledger = scene.desk.ledger;
  RC_ASSERT(take_due(twin, scene.now) == take_due(other_twin, scene.now));
}

std::set<SessionKey> sessions_of(const DueSteps& due) {
  std::set<SessionKey> sessions;
  for (const auto& step : due) sessions.insert(std::get<0>(step));
  return sessions;
}

/// With the same ledger, a milder policy takes no step that the stricter one does not take.
void assert_only_shrinks(const Scene& scene, const PolicySpec& milder) {
  auto desk = copy_of(scene);
  auto mild = with_policy(scene.desk, milder);
  const auto before = take_due(desk, scene.now);
  const auto after = take_due(mild, scene.now);
  RC_CLASSIFY(after.size() < before.size(), "fewer");
  RC_ASSERT(is_subset(after, before));
  const auto all = sessions_of(before);
  for (const auto& key : sessions_of(after)) RC_ASSERT(all.contains(key));
}

RC_GTEST_PROP(DecideProperty, AHigherLimitOnlyShrinksTheOrders, ()) {
  const auto scene = *any_scene();
  auto milder = scene.spec;
  auto& rule = milder.rules[draw<std::size_t>(0, milder.rules.size())];
  RC_PRE(!rule.ages.empty());
  rule.ages[draw<std::size_t>(0, rule.ages.size())].second += draw(1, 40);
  assert_only_shrinks(scene, milder);
}

RC_GTEST_PROP(DecideProperty, OneMoreExceptionOnlyShrinksTheOrders, ()) {
  const auto scene = *any_scene();
  auto milder = scene.spec;
  auto& rule = milder.rules[draw<std::size_t>(0, milder.rules.size())];
  ExceptionSpec exception{*any_condition(), std::nullopt};
  if (!rule.ages.empty() && draw(0, 2) == 0) exception.later_s = draw(1, 40);
  // the first that matches applies, so one with a later limit is milder only after those that exempt
  const bool may_lead = !exception.later_s;
  rule.except.insert(may_lead ? rule.except.begin() : rule.except.end(), exception);
  assert_only_shrinks(scene, milder);
}

RC_GTEST_PROP(DecideProperty, OneMoreProtectionOnlyShrinksTheOrders, ()) {
  const auto scene = *any_scene();
  auto milder = scene.spec;
  milder.protect.push_back(*any_condition());
  assert_only_shrinks(scene, milder);
}

RC_GTEST_PROP(DecideProperty, SessionsDecidedTogetherOrApartGetTheSameOrders, ()) {
  const auto scene = *any_scene();
  auto together = copy_of(scene);
  const auto all = take_due(together, scene.now);
  DueSteps apart;
  for (const auto& session : scene.desk.seen.sessions) {
    auto alone = copy_of(scene);
    alone.seen.sessions = {session};
    alone.docket = make_docket(alone.policy, alone.seen);
    apart.merge(take_due(alone, scene.now));
  }
  RC_ASSERT(all == apart);
}

RC_GTEST_PROP(DecideProperty, AskingAgainOrdersNothingTwice, ()) {
  const auto scene = *any_scene({.has_bounds = true});
  auto desk = copy_of(scene);
  std::set<std::tuple<SessionKey, std::string>> ordered;
  for (const auto& order : desk.decide_at(scene.now).orders) {
    RC_ASSERT(ordered.emplace(order.guard.session, order.rule).second);
  }
  RC_ASSERT(desk.decide_at(scene.now).orders.empty());
  for (const auto& order : desk.decide_at(scene.now + 1h).orders) {
    RC_ASSERT(!ordered.contains({order.guard.session, order.rule}));
  }
}

RC_GTEST_PROP(DecideProperty, AtMostOneSignalASession, ()) {
  const auto scene = *any_scene();
  auto desk = copy_of(scene);
  std::set<SessionKey> signalled;
  for (const auto& order : desk.decide_at(scene.now).orders) {
    RC_ASSERT(!desk.ledger.denied.contains(order.guard.session) || order.step == StepKind::kAlert);
    if (order.is_signal()) RC_ASSERT(signalled.insert(order.guard.session).second);
  }
}

RC_GTEST_PROP(DecideProperty, NoWaitEndsInThePast, ()) {
  const auto scene = *any_scene({.has_bounds = true});
  auto desk = copy_of(scene);
  const auto decision = desk.decide_at(scene.now);
  if (decision.next_due) RC_ASSERT(*decision.next_due > at(scene.now));
  if (decision.wake) RC_ASSERT(*decision.wake > MonotonicTime(scene.now + 1h));
}

/// Answers everything that is due at one moment, each signal followed by a look as the watch takes it.
std::size_t settle_all_due(Desk& desk, Duration now) {
  std::size_t count = 0;
  for (;;) {
    const auto orders = desk.decide_at(now).orders;
    if (orders.empty()) return count;
    count += orders.size();
    for (const auto& order : orders) desk.reply(order, ReplyKind::kSignalled, now);
    desk.look(desk.seen.sessions, now);
  }
}

RC_GTEST_PROP(DecideProperty, SomethingIsDueAtNextDueAndNothingAMicrosecondBefore, ()) {
  auto scene = *any_scene({.rounds = 1, .reply = ReplyKind::kSignalled});
  auto desk = copy_of(scene);
  desk.look(desk.seen.sessions, scene.now);
  settle_all_due(desk, scene.now);
  for (int turns = 0; turns < 60; ++turns) {
    const auto next = desk.decide_at(scene.now).next_due;
    if (!next) return;
    const Duration due = *next - kStart;
    RC_ASSERT(desk.decide_at(due - 1us).orders.empty());
    RC_ASSERT(desk.decide_at(due - 1us).next_due == next);
    RC_ASSERT(settle_all_due(desk, due) > 0U);
    scene.now = due;
  }
  RC_FAIL("it never comes to an end");
}

RC_GTEST_PROP(DecideProperty, ADryRunGivesTheSameFirstOrdersAndNoSignal, ()) {
  auto scene = *any_scene({.rounds = 0, .has_bounds = true, .mode = Mode::kEnforce});
  auto dry = scene.spec;
  for (auto& rule : dry.rules) rule.mode = Mode::kDryRun;
  auto desk = copy_of(scene);
  auto rehearsal = with_policy(scene.desk, dry);
  const auto real = desk.decide_at(scene.now);
  const auto rehearsed = rehearsal.decide_at(scene.now);
  RC_ASSERT(real.orders.size() == rehearsed.orders.size());
  for (std::size_t i = 0; i < real.orders.size(); ++i) {
    assert_same_step(real.orders[i], rehearsed.orders[i], 0s);
    RC_ASSERT(rehearsed.orders[i].action == Action::kNothing);
    RC_ASSERT(real.orders[i].is_signal() == (real.orders[i].step != StepKind::kAlert));
  }
  RC_ASSERT(kinds_of(real.events) == kinds_of(rehearsed.events));
  RC_ASSERT(real.next_due == rehearsed.next_due);
  RC_ASSERT(real.wake == rehearsed.wake);
}

RC_GTEST_PROP(SettleProperty, TheSameLookTwiceReportsNothingTwice, ()) {
  const auto scene = *any_scene({.rounds = 1, .mode = Mode::kEnforce, .reply = ReplyKind::kSignalled});
  auto desk = copy_of(scene);
  for (const auto& order : desk.decide_at(scene.now).orders) {
    if (draw(0, 4) > 0)
      desk.reply(order, draw(0, 4) > 0 ? ReplyKind::kSignalled : ReplyKind::kUnknown, scene.now);
  }
  auto later = desk.seen.sessions;
  for (auto& session : later) session = draw(0, 2) > 0 ? session : drawn_change_of(session, scene.now);
  if (draw(0, 2) == 0) later.pop_back();
  const auto first = desk.look(later, scene.now + Duration(draw(0, 10000000)));
  RC_CLASSIFY(!first.empty(), "has something to tell");
  RC_ASSERT(settle_look(desk.policy, desk.seen, desk.docket, {}, desk.ledger).empty());
}

}  // namespace
}  // namespace pgcurfew::testing
