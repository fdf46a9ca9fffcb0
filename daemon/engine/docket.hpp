#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "engine/judge.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// A session that falls due under a rule, if nothing changes until then.
struct Case {
  std::size_t rule = 0;     ///< index in Policy::rules
  std::size_t session = 0;  ///< index in Look::sessions
  Judgement judgement;      ///< with Verdict::kDue
  bool is_held = false;     ///< the rule's `when` does not hold
};

/// The result of one look: matched once, then used at every wake-up with a later time.
struct Docket {
  std::uint64_t look_number = 0;
  ClockSteps steps;         ///< of the server's clock, as far as known
  std::vector<Case> cases;  ///< ordered by session, then by rule
  std::size_t client_backends = 0;
  std::size_t nameless = 0;  ///< sessions of unknown database or role
  /// The earliest moment at which a session could fall due through a change that only a new look can show.
  std::optional<ServerTime> pending_from;
};

/// Matches every session against every rule: O(sessions x rules).
Docket make_docket(const Policy& policy, const Look& look, const ClockSteps& steps = {});

/// How long after one look the next must come, so that a look shows each session before it exceeds any limit.
/// Long limits need no more looks than that. Rules without an age need one look a second, rules that give
/// lock waits a time need one within that time. Rules with blocks_for need ten looks within it, but at most
/// four a second if that is enough.
Duration look_interval(const Policy& policy);

/// The shortest time that a rule on blockers lets a session wait; empty if there is no such rule.
std::optional<Duration> patience_with_blockers(const Policy& policy);

/// Which query texts a look reads.
enum class QueryTexts { kNone, kActive, kAll };

/// Which query texts the rules, exceptions and protections need: kActive if only the built-in protections of
/// statements need them.
QueryTexts needed_query_texts(const Policy& policy);

/// Whether a rule needs lock waits; whether any rule does.
bool needs_waits(const Rule& rule);
bool needs_waits(const Policy& policy);

}  // namespace pgcurfew
