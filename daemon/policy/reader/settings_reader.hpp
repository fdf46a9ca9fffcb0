#pragma once

#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

// The parts of the main file other than rules. Errors go to `complaints`; then the default applies.

std::vector<Server> read_servers(const YamlNode& node, Complaints& complaints);
Safety read_safety(const YamlNode& node, Complaints& complaints);
RecordBounds read_record(const YamlNode& node, Complaints& complaints);
void read_report(const YamlNode& node, Policy& policy, Complaints& complaints);

/// Reads the value of `unprotect`: names of built-in protections, each once.
std::vector<std::string> read_unprotect(const YamlNode& node, Complaints& complaints);

}  // namespace pgcurfew
