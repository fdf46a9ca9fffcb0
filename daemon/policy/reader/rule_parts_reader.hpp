#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

// The parts of a rule beside whom it is for and what it does. What is wrong goes to `complaints`.

/// `per`, `keep`, `victims`, `at_most` and `pause` of a rule.
Selection read_selection(const YamlNode& rule, Complaints& complaints);

/// The right of `when`.
When read_when(const YamlNode& node, Complaints& complaints);

/// The right of `repeat`.
std::optional<Repeat> read_repeat(const YamlNode& node, Complaints& complaints);

/// The right of a rule's `servers`, resolved to names. Without `known` (a drop-in on its own) they come back
/// as they are written. *Errors*: an entry that selects none of them.
std::vector<std::string> read_server_selection(const YamlNode& node, const std::vector<Server>* known,
                                               Complaints& complaints);

}  // namespace pgcurfew
