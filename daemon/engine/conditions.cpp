#include "engine/conditions.hpp"

#include <algorithm>

namespace pgcurfew {

namespace {

struct Holds {
  const Session& session;
  Field field;

  bool operator()(const TextTest& test) const {
    const auto* text = text_of(session, field);
    if (text == nullptr || !text->has_value()) return false;
    return std::any_of(test.any_of.begin(), test.any_of.end(),
                       [&](const TextPattern& pattern) { return pattern.matches(**text); });
  }
  bool operator()(const AddressTest& test) const {
    return std::any_of(test.any_of.begin(), test.any_of.end(), [&](const AddressPattern& pattern) {
      if (pattern.is_local()) return session.is_local;
      return session.client_addr.has_value() && pattern.matches(*session.client_addr);
    });
  }
  bool operator()(const BackendTypeTest& test) const {
    return std::find(test.any_of.begin(), test.any_of.end(), session.backend_type) != test.any_of.end();
  }
  bool operator()(const StateTest& test) const {
    return session.state.has_value() &&
           std::find(test.any_of.begin(), test.any_of.end(), *session.state) != test.any_of.end();
  }
  bool operator()(const XminAgeTest& test) const {
    const auto* number = number_of(session, field);
    return number != nullptr && number->has_value() && **number >= test.at_least;
  }
  bool operator()(const BlocksTest& test) const {
    if (session.blocks.size() < test.at_least) return false;
    Blocking blocking;
    blocking.waiter = test.waiter.get();
    return fitting_waiters(blocking, session).size() >= test.at_least;
  }
  bool operator()(const NumbersTest& test) const {
    const auto* number = number_of(session, field);
    return number != nullptr && number->has_value() &&
           std::find(test.any_of.begin(), test.any_of.end(), **number) != test.any_of.end();
  }
};

}  // namespace

bool holds(const Condition& condition, const Session& session) {
  return std::visit(Holds{session, condition.field}, condition.test);
}

bool may_hold(const Condition& condition, const Session& session) {
  if (condition.field == Field::kDatabase && session.has_nameless_database) return true;
  if (condition.field == Field::kUser && session.has_nameless_user) return true;
  return holds(condition, session);
}

bool may_fit(const Match& match, const Session& session) {
  return std::all_of(match.conditions.begin(), match.conditions.end(),
                     [&](const Condition& condition) { return may_hold(condition, session); });
}

Blocking blocking_of(const Match& match) {
  Blocking blocking;
  for (const auto& condition : match.conditions) {
    const auto* test = std::get_if<BlocksTest>(&condition.test);
    if (test == nullptr) continue;
    blocking.is_asked = true;
    blocking.at_least = test->at_least;
    blocking.waiter = test->waiter.get();
    if (test->waiter && !test->waiter->ages.empty()) {
      blocking.waiter_blocked_for = test->waiter->ages.front().limit;
    }
  }
  for (const auto& age : match.ages) {
    if (age.clock == Clock::kBlocksFor) blocking.is_asked = true;
    if (age.clock == Clock::kBlockedFor) blocking.may_wait = true;
  }
  return blocking;
}

bool gives_waits_time(const Match& match) {
  return blocking_of(match).waiter_blocked_for ||
         std::any_of(match.ages.begin(), match.ages.end(), [](const AgeLimit& age) {
           return age.clock == Clock::kBlocksFor || age.clock == Clock::kBlockedFor;
         });
}

bool waits_for_lock(const Session& session) {
  return session.blocked_since.has_value() || session.wait_event_type == "Lock";
}

bool is_held_up(const Session& session) {
  return session.has_waiting_worker || waits_for_lock(session);
}

std::vector<const Session*> fitting_waiters(const Blocking& blocking, const Session& session) {
  std::vector<const Session*> fitting;
  for (const auto& waiter : session.blocks) {
    const bool fits = blocking.waiter == nullptr ||
                      std::all_of(blocking.waiter->conditions.begin(), blocking.waiter->conditions.end(),
                                  [&](const Condition& condition) { return holds(condition, *waiter); });
    if (fits && waiter->blocked_since) fitting.push_back(waiter.get());
  }
  return fitting;
}

}  // namespace pgcurfew
