#pragma once

#include <optional>
#include <vector>

#include "policy/grammar/grammar.hpp"
#include "policy/hours.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

/// The time zone of windows that do not name their own.
struct DefaultZone {
  std::optional<TimeZone> zone;
  bool is_guessed = false;  ///< the main file is not known; it may name another
};

/// Reads `during` or `not_during`: one window or a list of them.
/// *Errors*: in `complaints`; the result has the windows that could be read.
std::vector<Window> read_windows(const YamlNode& node, const KeyEntry& key, const DefaultZone& zone,
                                 Complaints& complaints);

/// Reads the name of a time zone.
std::optional<TimeZone> read_time_zone(const YamlNode& node, Complaints& complaints);

}  // namespace pgcurfew
