#pragma once

#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

// The parts of the main file that are no rules. What is wrong goes to `complaints`; the default stands then.

std::vector<Server> read_servers(const YamlNode& node, Complaints& complaints);
Safety read_safety(const YamlNode& node, Complaints& complaints);
QueryText read_report(const YamlNode& node, Complaints& complaints);

/// The right of `unprotect`: names of built-in protections, each once.
std::vector<std::string> read_unprotect(const YamlNode& node, Complaints& complaints);

}  // namespace pgcurfew
