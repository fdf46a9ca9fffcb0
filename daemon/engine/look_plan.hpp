#pragma once

#include <optional>

#include "base/time.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Which texts of queries a look brings.
enum class QueryTexts { kNone, kActive, kAll };

/// What each look at a server has to bring for a policy, and how often to look.
struct LookPlan {
  /// What any rule, exception or protection reads: kActive if only the built-in protections of statements do.
  QueryTexts texts = QueryTexts::kNone;
  bool with_waits = false;  ///< a rule asks who waits for whose lock
  /// From one look to the next, so that a session that goes past any limit was seen before. Long limits do
  /// not need it more often than that. Rules without an age are looked at once a second, and rules that give
  /// lock waits a time within that time. Those with blocks_for are looked at ten times within it, but no more
  /// often than four times a second where it allows that.
  Duration interval{};
};

/// Depends on nothing but the policy: to be reckoned once, when the policy comes.
LookPlan plan_looks(const Policy& policy);

/// The shortest time after which a rule on blockers ends a wait; nothing if there is no such rule.
std::optional<Duration> patience_with_blockers(const Policy& policy);

/// Whether a rule asks who waits for whose lock.
bool needs_waits(const Rule& rule);

}  // namespace pgcurfew
