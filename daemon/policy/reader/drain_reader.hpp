#pragma once

#include <optional>

#include "policy/policy.hpp"
#include "policy/reader/rule_reader.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// Reads one entry of `drains`.
/// *Errors*: in `complaints`, as many as can be told apart; what comes back then is as far as it could be
/// read, and nothing if it is no mapping or has no name. What takes a clock, another drain or libpq to see is
/// not looked at.
std::optional<Drain> read_drain(const YamlNode& node, const RuleContext& context, Complaints& complaints);

/// Reads the right of `at`, such as `2026-12-01 02:00`. *Errors*: it is no such text, no day of the calendar,
/// or a time that the zone's clocks skip. *Warnings*: a time that they show twice; the first is taken.
std::optional<ServerTime> read_moment(const YamlNode& node, const TimeZone& zone, Complaints& complaints);

}  // namespace pgcurfew
