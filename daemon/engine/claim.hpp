#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

enum class ClaimantKind { kRule, kDrain };

/// On whose behalf a session is claimed: a rule's, or a drain's that is under way.
struct Claimant {
  static constexpr std::size_t kNoRule = std::numeric_limits<std::size_t>::max();
  std::size_t rule = kNoRule;  ///< index in the policy in force
  std::string drain;           ///< its name; empty: the claimant is a rule
  std::uint64_t run = 0;       ///< of a drain which run: the next one does not go on where this one stopped

  static Claimant of_rule(std::size_t rule) { return {rule, {}, 0}; }
  static Claimant of_drain(std::string name, std::uint64_t run) { return {kNoRule, std::move(name), run}; }
  [[nodiscard]] ClaimantKind kind() const {
    return drain.empty() ? ClaimantKind::kRule : ClaimantKind::kDrain;
  }
  auto operator<=>(const Claimant&) const = default;
};

/// What a drain under way claims of one look. The claims of rules are the cases of the docket.
struct DrainClaims {
  const Drain* drain = nullptr;  ///< outlives it
  std::uint64_t run = 0;         ///< as in Claimant
  std::uint64_t look_number = 0;
  std::vector<std::size_t> sessions;  ///< indices in Look::sessions, in their order
  /// What its ladder counts from: the last of its gates closed then. Nothing: it signals nobody now.
  std::optional<ServerTime> since;
  /// The databases were empty since then: whoever comes now has had all the time that there was, and no step
  /// is waited for.
  bool were_emptied = false;
};

}  // namespace pgcurfew
