#pragma once

#include <optional>

#include "base/time.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Which query texts a look reads.
enum class QueryTexts { kNone, kActive, kAll };

/// What each look at a server has to read for a policy, and how often to look.
struct LookPlan {
  /// What rules, exceptions and protections need: kActive if only the built-in protections of statements do.
  QueryTexts texts = QueryTexts::kNone;
  bool with_waits = false;  ///< a rule needs lock waits
  /// From one look to the next, so that a look shows each session before it exceeds any limit. Long limits
  /// need no more looks than that. Rules without an age need one look a second, rules that give lock waits a
  /// time need one within that time. Rules with blocks_for need ten looks within it, but at most four a
  /// second if that is enough.
  Duration interval{};
};

/// Depends on nothing but the policy: to be computed once, when the policy comes.
LookPlan plan_looks(const Policy& policy);

/// The shortest time that a rule on blockers lets a session wait; empty if there is no such rule.
std::optional<Duration> patience_with_blockers(const Policy& policy);

/// Whether a rule needs lock waits.
bool needs_waits(const Rule& rule);

}  // namespace pgcurfew
