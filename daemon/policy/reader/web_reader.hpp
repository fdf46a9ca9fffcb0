#pragma once

#include <optional>

#include "policy/policy.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// Reads the main file's `web`.
std::optional<WebSettings> read_web(const YamlNode& node, Complaints& complaints);

}  // namespace pgcurfew
