// A guard passes for the session as it was seen, and only as long as the same decision would be made.
#include "engine/scene.hpp"

namespace pgcurfew::testing {
namespace {

const Session& seen(const Desk& desk, const SessionKey& key) {
  for (const auto& session : desk.seen.sessions) {
    if (session.key == key) return session;
  }
  RC_FAIL("an order for a session that the look does not show");
}

std::size_t rule_of(const Order& order) {
  return std::stoul(order.rule.substr(1));
}

RC_GTEST_PROP(GuardProperty, HoldsForTheSessionItWasMadeFromAtThatMoment, ()) {
  const auto scene = *any_scene();
  auto desk = copy_of(scene);
  for (const auto& order : desk.decide_at(scene.now).orders) {
    const auto& session = seen(desk, order.guard.session);
    RC_ASSERT(guard_holds(order.guard, session, at(scene.now)));
    RC_ASSERT(!guard_holds(order.guard, session, at(scene.now + 5s + 1us)));
    auto successor = session;
    successor.key.backend_start += 1us;
    RC_ASSERT(!guard_holds(order.guard, successor, at(scene.now)));
  }
}

RC_GTEST_PROP(GuardProperty, HoldsNotAMicrosecondBeforeTheStepIsDue, ()) {
  const auto scene = *any_scene({.reply = ReplyKind::kSignalled});
  auto desk = copy_of(scene);
  const auto before = desk.ledger;
  for (const auto& order : desk.decide_at(scene.now).orders) {
    auto earlier = copy_of(scene);
    earlier.ledger = before;
    const Duration just_before = order.guard.not_before - 1us - kStart;
    const auto due = take_due(earlier, just_before);
    RC_ASSERT(!due.contains({order.guard.session, rule_of(order), order.step_number}));
  }
}

RC_GTEST_PROP(GuardProperty, HoldsOnlyWhileTheSameWouldBeDecidedAnew, ()) {
  const auto scene = *any_scene();
  auto desk = copy_of(scene);
  int held = 0;
  for (const auto& order : desk.decide_at(scene.now).orders) {
    for (int attempt = 0; attempt < 8; ++attempt) {
      auto changed = seen(scene.desk, order.guard.session);
      for (int i = draw(1, 3); i > 0; --i) changed = drawn_change_of(changed, scene.now);
      if (!guard_holds(order.guard, changed, at(scene.now))) continue;
      ++held;
      auto anew = copy_of(scene);
      anew.seen.sessions = {changed};
      anew.docket = make_docket(anew.policy, anew.seen);
      RC_LOG() << order.rule << " on the changed\n" << text_of(changed);
      RC_ASSERT(take_due(anew, scene.now)
                    .contains(DueStep(order.guard.session, rule_of(order), order.step_number)));
    }
  }
  RC_CLASSIFY(held > 0, "the guard held through a change");
}

}  // namespace
}  // namespace pgcurfew::testing
