#pragma once

#include <vector>

#include "policy/yaml/read_match.hpp"

namespace pgcurfew {

/// Checks the parts of a rule against each other.
/// *Errors*: an exception that is not milder than the rule.
/// *Warnings*: conditions that no session can satisfy together, and an age that continues while the session
/// is idle.
void check_rule(const ReadMatch& match, PlaceInText at, const std::vector<ReadMatch>& except,
                const std::vector<Step>& escalate, Complaints& complaints);

}  // namespace pgcurfew
