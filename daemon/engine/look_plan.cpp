#include "engine/look_plan.hpp"

#include <algorithm>

#include "engine/conditions.hpp"
#include "engine/judge.hpp"
#include "policy/condition.hpp"

namespace pgcurfew {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kShortestInterval = milliseconds(50);
constexpr Duration kShortestForBlockers = milliseconds(250);
constexpr Duration kIntervalWithoutAge = seconds(1);
constexpr Duration kLongestInterval = std::chrono::hours(1);

/// Time for the look itself: a tenth of the limit, at least 250 ms if the limit allows it.
Duration interval_for(Duration limit) {
  const Duration margin = std::max<Duration>(limit / 10, std::min<Duration>(milliseconds(250), limit / 2));
  return limit - margin;
}

bool reads_query(const Match& match) {
  return std::any_of(match.conditions.begin(), match.conditions.end(),
                     [](const Condition& condition) { return condition.field == Field::kQuery; });
}

/// The shortest time within which a lock wait matters to a rule; empty if none does.
std::optional<Duration> time_for_waits(const Rule& rule) {
  auto shortest = blocking_of(rule.match).waiter_blocked_for;
  for (const auto& age : rule.match.ages) {
    if (age.clock != Clock::kBlocksFor && age.clock != Clock::kBlockedFor) continue;
    shortest = std::min(shortest.value_or(age.limit), age.limit);
  }
  return shortest;
}

/// A blocker may have waited itself unless a look showed that it does not; its time counts from that look on.
Duration interval_for_blockers(Duration limit) {
  return std::min(interval_for(limit), std::max<Duration>(limit / 10, kShortestForBlockers));
}

bool can_be_for(const Match& match, State state) {
  const auto* states = states_of(match);
  return states == nullptr ||
         std::find(states->any_of.begin(), states->any_of.end(), state) != states->any_of.end();
}

Duration interval_of(const Policy& policy) {
  Duration interval = kLongestInterval;
  for (const auto& rule : policy.rules) {
    auto needed = rule.match.ages.empty() ? kIntervalWithoutAge : interval_for(rule.match.ages.front().limit);
    // the wait began last, whatever other ages there are
    if (const auto time = time_for_waits(rule)) needed = interval_for(*time);
    for (const auto& age : rule.match.ages) {
      if (age.clock == Clock::kBlocksFor) needed = std::min(needed, interval_for_blockers(age.limit));
    }
    interval = std::min(interval, needed);
  }
  return std::max(interval, kShortestInterval);
}

QueryTexts texts_of(const Policy& policy) {
  const auto any_rule = [&](auto predicate) {
    return std::any_of(policy.rules.begin(), policy.rules.end(), predicate);
  };
  const auto any_rule_for = [&](State state) {
    return any_rule([&](const Rule& rule) { return can_be_for(rule.match, state); });
  };
  auto texts = QueryTexts::kNone;
  for (const auto& match : policy.protect) {
    if (!reads_query(match)) continue;
    if (match.protection == protection::kConcurrentIndex) {
      if (texts == QueryTexts::kNone && any_rule_for(State::kActive)) texts = QueryTexts::kActive;
    } else if (match.protection != protection::kListeners || any_rule_for(State::kIdle)) {
      texts = QueryTexts::kAll;
    }
  }
  const bool asked = any_rule([](const Rule& rule) {
    return reads_query(rule.match) ||
           std::any_of(rule.except.begin(), rule.except.end(),
                       [](const Exception& exception) { return reads_query(exception.match); }) ||
           (blocking_of(rule.match).waiter != nullptr && reads_query(*blocking_of(rule.match).waiter));
  });
  return asked ? QueryTexts::kAll : texts;
}

}  // namespace

std::optional<Duration> patience_with_blockers(const Policy& policy) {
  std::optional<Duration> patience;
  for (const auto& rule : policy.rules) {
    if (!blocking_of(rule.match).is_asked) continue;
    const auto time = time_for_waits(rule).value_or(Duration(0));
    patience = std::min(patience.value_or(time), time);
  }
  return patience;
}

bool needs_waits(const Rule& rule) {
  const auto blocking = blocking_of(rule.match);
  return blocking.is_asked || blocking.may_wait;
}

LookPlan plan_looks(const Policy& policy) {
  const bool with_waits = std::any_of(policy.rules.begin(), policy.rules.end(), needs_waits);
  return {texts_of(policy), with_waits, interval_of(policy)};
}

}  // namespace pgcurfew
