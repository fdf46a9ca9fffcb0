#pragma once

#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// Reads `escalate`: `alert`, `cancel` and `terminate`, each with an optional `after`, which is 0s for the
/// first step and 30s for each later one. `match`: the rule's, null if it could not be read; a cancel has to
/// fit its states. *Errors*: in `complaints`; the steps that could be read come back.
std::vector<Step> read_ladder(const YamlNode& node, const Match* match, Complaints& complaints);

/// What becomes of the sessions that a drain finds.
struct DrainLadder {
  Duration wait{};
  std::vector<Step> steps;
};

/// `wait: { for: 30s }`, `cancel`, `terminate: { after: 20s }`.
DrainLadder default_drain_ladder(const Place& place);

/// Reads `escalate` of a drain: `wait` first, if at all, with its `for` (30s if it says nothing), then
/// `cancel` and `terminate` with an `after` as in a rule's. *Errors*: in `complaints`; what could be read
/// comes back.
DrainLadder read_drain_ladder(const YamlNode& node, Complaints& complaints);

}  // namespace pgcurfew
