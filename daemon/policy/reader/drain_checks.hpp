#pragma once

#include "policy/policy.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// What is wrong between the parts of a drain that are fine each on its own. `node`: the drain.
/// *Errors*: a schedule that never comes, a duration that is not over before the drain comes again, steps
/// that it never gets to, latecomers that are terminated where nobody else is. *Warnings*: what may leave the
/// database full, gives up too late or too early, or is announced before the drain before has come.
void check_drain(const YamlNode& node, const Drain& drain, Complaints& complaints);

}  // namespace pgcurfew
