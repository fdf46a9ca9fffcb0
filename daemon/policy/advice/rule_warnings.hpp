#pragma once

#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml/read_match.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// Warns of what is suspicious in a rule without errors: it can never match or act, a limit that needs too
/// many looks, a step that may have no effect or comes at once, groups that a client can leave, conditions
/// that one tenant can turn against others, exceptions that never apply or that any client can match. `node`:
/// the rule; `rule`: as read, but for its match and exceptions, which are still in `match` and `except`;
/// `servers`: null where they are not known.
void warn_of_rule(const YamlNode& node, const Rule& rule, const ReadMatch& match,
                  const std::vector<ReadMatch>& except, const std::vector<Server>* servers,
                  Complaints& complaints);

/// Warns of an entry of `protect` that any client can match.
void warn_of_protection(const YamlNode& node, const Match& match, Complaints& complaints);

/// Warns of a rule whose sessions are all protected. `at`: its match.
void warn_of_protected(const Rule& rule, PlaceInText at, const std::vector<Match>& protect,
                       Complaints& complaints);

}  // namespace pgcurfew
