#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "policy/policy.hpp"
#include "policy/reader/hours_reader.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// The settings of the main file that rules and drains depend on.
struct RuleContext {
  Mode mode = Mode::kDryRun;
  DefaultZone zone;
  const std::vector<Server>* servers = nullptr;  ///< null: unknown, so every selection of servers is accepted
};

/// Reads one entry of `rules`. Its fingerprint is not set yet.
/// *Errors*: in `complaints`, as many as can be distinguished; then the result is as complete as could be
/// read, and empty if the entry is not a mapping or has no name.
std::optional<Rule> read_rule(const YamlNode& node, const RuleContext& context, Complaints& complaints);

/// The values of `mode`.
std::optional<Mode> read_mode(const YamlNode& node, Complaints& complaints);

/// Reads `mode` of a rule or a drain (`what`); the default is the file's.
/// *Errors*: it is stricter than the file's.
Mode read_own_mode(const YamlNode& owner, std::string_view what, Mode file_mode, Complaints& complaints);

}  // namespace pgcurfew
