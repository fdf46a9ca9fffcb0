#pragma once

#include <optional>
#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml/read_match.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// Whose conditions they are.
enum class MatchOwner { kRule, kException, kProtect, kWaiter, kDrain };

/// Reads the right of `match`, an entry of `except` or `protect`, or the mapping of
/// `blocks` but for its `sessions`. A rule's gets `backend_type: client
/// backend` unless it names another.
/// *Errors*: in `complaints`; nothing comes back if it is no mapping at all.
std::optional<ReadMatch> read_match(const YamlNode& node, MatchOwner owner, Complaints& complaints);

/// Reads the list of `except`; `owner`: kException for a rule's, kDrain for a drain's.
/// *Errors*: in `complaints`; the entries that could be read come back.
std::vector<ReadMatch> read_except(const YamlNode& node, MatchOwner owner, Complaints& complaints);

}  // namespace pgcurfew
