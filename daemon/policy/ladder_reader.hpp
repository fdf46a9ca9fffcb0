#pragma once

#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml_tree.hpp"

namespace pgcurfew {

/// Reads `escalate`: `alert`, `cancel` and `terminate`, each with an optional `after`, which is 0s for the
/// first step and 30s for each later one. `match`: the rule's, null if it could not be read; a cancel has to
/// fit its states. *Errors*: in `complaints`; the steps that could be read come back.
std::vector<Step> read_ladder(const YamlNode& node, const Match* match, Complaints& complaints);

}  // namespace pgcurfew
