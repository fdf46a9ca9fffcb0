#pragma once

#include <optional>
#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml/read_match.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// The owner of the conditions.
enum class MatchOwner { kRule, kException, kProtect, kWaiter, kDrain };

/// Reads the value of `match`, an entry of `except` or `protect`, or the mapping of `blocks` except its
/// `sessions`. A rule's match gets `backend_type: client backend` unless it names another type.
/// *Errors*: in `complaints`; the result is empty if the node is not a mapping.
std::optional<ReadMatch> read_match(const YamlNode& node, MatchOwner owner, Complaints& complaints);

/// Reads the list of `except`; `owner`: kException for a rule's, kDrain for a drain's.
/// *Errors*: in `complaints`; the result has the entries that could be read.
std::vector<ReadMatch> read_except(const YamlNode& node, MatchOwner owner, Complaints& complaints);

}  // namespace pgcurfew
