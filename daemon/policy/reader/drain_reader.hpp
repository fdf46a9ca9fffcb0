#pragma once

#include <optional>

#include "policy/policy.hpp"
#include "policy/reader/rule_reader.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// Reads one entry of `drains`.
/// *Errors*: in `complaints`, as many as can be distinguished; then the result is as complete as could be
/// read, and empty if the entry is not a mapping or has no name. Mistakes that need a clock, another drain or
/// libpq are not checked.
std::optional<Drain> read_drain(const YamlNode& node, const RuleContext& context, Complaints& complaints);

/// Reads the value of `at`, such as `2026-12-01 02:00`.
/// *Errors*: another form, a day that does not exist, or a time that the zone's clocks skip.
/// *Warnings*: a time that they show twice; the first one is used.
std::optional<ServerTime> read_moment(const YamlNode& node, const TimeZone& zone, Complaints& complaints);

}  // namespace pgcurfew
