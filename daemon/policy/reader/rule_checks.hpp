#pragma once

#include <vector>

#include "policy/yaml/read_match.hpp"

namespace pgcurfew {

/// What is wrong between the parts of a rule that are fine each on its own.
/// *Errors*: an exception that is not milder than the rule. *Warnings*: conditions that no session can fulfil
/// together, and an age that goes on while the session is idle.
void check_rule(const ReadMatch& match, PlaceInText at, const std::vector<ReadMatch>& except,
                const std::vector<Step>& escalate, Complaints& complaints);

}  // namespace pgcurfew
