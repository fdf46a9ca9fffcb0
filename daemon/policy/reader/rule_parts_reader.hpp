#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

// The parts of a rule other than its match and its steps. Errors go to `complaints`.

/// Reads `per`, `keep`, `victims`, `at_most` and `pause` of a rule.
Selection read_selection(const YamlNode& rule, Complaints& complaints);

/// Reads the value of `when`.
When read_when(const YamlNode& node, Complaints& complaints);

/// Reads the value of `repeat`.
std::optional<Repeat> read_repeat(const YamlNode& node, Complaints& complaints);

/// Reads the value of a rule's `servers`, resolved to names. Without `known` (a drop-in on its own) the names
/// are returned as written.
/// *Errors*: an entry that selects no server.
std::vector<std::string> read_server_selection(const YamlNode& node, const std::vector<Server>* known,
                                               Complaints& complaints);

}  // namespace pgcurfew
