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

/// The claimant of a session: a rule, or a drain that is under way.
struct Claimant {
  static constexpr std::size_t kNoRule = std::numeric_limits<std::size_t>::max();
  std::size_t rule = kNoRule;  ///< index in the policy in force
  std::string drain;           ///< its name; empty: the claimant is a rule
  std::uint64_t run = 0;       ///< a drain's run: the next run does not continue this one

  static Claimant of_rule(std::size_t rule) { return {rule, {}, 0}; }
  static Claimant of_drain(std::string name, std::uint64_t run) { return {kNoRule, std::move(name), run}; }
  [[nodiscard]] ClaimantKind kind() const {
    return drain.empty() ? ClaimantKind::kRule : ClaimantKind::kDrain;
  }
  auto operator<=>(const Claimant&) const = default;
};

/// The sessions of one look that a running drain claims. The claims of rules are the cases of the docket.
struct DrainClaims {
  const Drain* drain = nullptr;  ///< outlives the claims
  std::uint64_t run = 0;         ///< as in Claimant
  std::uint64_t look_number = 0;
  std::vector<std::size_t> sessions;  ///< indices in Look::sessions, in their order
  /// The time from which its ladder counts, when the last of its gates closed. Empty: it sends no signals
  /// now.
  std::optional<ServerTime> since;
  /// The databases have been empty since then: a session that comes now gets no wait before a step.
  bool were_emptied = false;
};

}  // namespace pgcurfew
