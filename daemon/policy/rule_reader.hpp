#pragma once

#include <optional>

#include "policy/policy.hpp"
#include "policy/yaml_tree.hpp"

namespace pgcurfew {

/// Reads one entry of `rules`. Its fingerprint is not set yet.
/// *Errors*: in `complaints`, as many as can be told apart; what comes back then is as far as it could be
/// read, and nothing if it is no mapping or has no name.
std::optional<Rule> read_rule(const YamlNode& node, Mode file_mode, Complaints& complaints);

/// The words of `mode`.
std::optional<Mode> read_mode(const YamlNode& node, Complaints& complaints);

}  // namespace pgcurfew
