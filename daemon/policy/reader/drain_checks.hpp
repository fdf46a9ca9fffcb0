#pragma once

#include "policy/policy.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// Checks the parts of a drain against each other. `node`: the drain.
/// *Errors*: a schedule that never begins, a duration that is not over before the drain begins again, steps
/// that are never due, latecomers that are terminated while other sessions are not.
/// *Warnings*: a drain that may leave the database full, gives up too late or too early, or is announced
/// before the drain before has begun.
void check_drain(const YamlNode& node, const Drain& drain, Complaints& complaints);

}  // namespace pgcurfew
