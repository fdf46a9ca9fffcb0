#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "policy/policy.hpp"
#include "policy/reader/hours_reader.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// What the main file says that rules and drains hang on.
struct RuleContext {
  Mode mode = Mode::kDryRun;
  DefaultZone zone;
  const std::vector<Server>* servers = nullptr;  ///< null: not known, so every choice of servers is fine
};

/// Reads one entry of `rules`. Its fingerprint is not set yet.
/// *Errors*: in `complaints`, as many as can be told apart; what comes back then is as far as it could be
/// read, and nothing if it is no mapping or has no name.
std::optional<Rule> read_rule(const YamlNode& node, const RuleContext& context, Complaints& complaints);

/// The words of `mode`.
std::optional<Mode> read_mode(const YamlNode& node, Complaints& complaints);

/// `mode` of a rule or a drain (`what`), or else the file's. *Errors*: it is stricter than the file's.
Mode read_own_mode(const YamlNode& owner, std::string_view what, Mode file_mode, Complaints& complaints);

}  // namespace pgcurfew
