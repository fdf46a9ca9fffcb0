#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/grammar/key.hpp"

namespace pgcurfew {

/// All mappings, in the order in which the manual lists them.
std::span<const MappingEntry> all_mappings();
const MappingEntry& entry_of(Mapping mapping);

/// The keys of a mapping, in the order of the manual. Parser, schema and manual share this one table.
std::span<const KeyEntry> keys_of(Mapping mapping);

/// The entry of a key that exists.
const KeyEntry& key_of(Mapping mapping, std::string_view name);

/// The options of a step.
Mapping mapping_of_step(const KeyEntry& key, std::string_view step);

std::vector<std::string_view> key_names_of(Mapping mapping);

/// The values that a key takes, in words: `a duration, 1s to 1d`, `one of a, b or c`.
std::string values_text_of(const KeyEntry& key);

/// The bounds: `1 to 262143`, `1s to 1d`, `1% to 100%`; empty if there are none.
std::string range_text_of(const KeyEntry& key);

}  // namespace pgcurfew
