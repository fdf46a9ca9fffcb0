#pragma once

#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// Reads `escalate`: `alert`, `cancel` and `terminate`, each with an optional `after`, which is 0s for the
/// first step and 30s for each later one. `match`: the rule's, null if it could not be read; a cancel must be
/// able to affect its states.
/// *Errors*: in `complaints`; the result has the steps that could be read.
std::vector<Step> read_ladder(const YamlNode& node, const Match* match, Complaints& complaints);

/// What a drain does with the sessions that it finds.
struct DrainLadder {
  Duration wait{};
  std::vector<Step> steps;
};

/// `wait: { for: 30s }`, `cancel`, `terminate: { after: 20s }`.
DrainLadder default_drain_ladder(const Place& place);

/// Reads `escalate` of a drain: optionally `wait` first, with its `for` (default 30s), then `cancel` and
/// `terminate` with an `after` as in a rule.
/// *Errors*: in `complaints`; the result has what could be read.
DrainLadder read_drain_ladder(const YamlNode& node, Complaints& complaints);

}  // namespace pgcurfew
