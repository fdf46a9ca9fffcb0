#pragma once

#include <optional>

#include "policy/grammar/grammar.hpp"
#include "policy/policy.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// Reads the value of a condition on one field other than an age or `blocks`. `may_be_victim`: it selects the
/// sessions that a rule ends, so types of backends that are never ended are errors.
/// *Errors*: in `complaints`; then the result is empty.
std::optional<Condition> read_condition(const FieldEntry& field, const YamlNode& value, Place place,
                                        bool may_be_victim, Complaints& complaints);

}  // namespace pgcurfew
