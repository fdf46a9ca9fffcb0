#pragma once

#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// Reads the value of `audit`: places, each once. Errors go to `complaints`.
std::vector<AuditTarget> read_audit(const YamlNode& node, Complaints& complaints);

}  // namespace pgcurfew
