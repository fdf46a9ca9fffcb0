#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "policy/grammar/grammar.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

// Readers of the simple values. `name` is the key as it shall stand in messages; what is wrong goes to
// `complaints`, and nothing comes back then.

/// Whether a node is a map with something in it. `example` is a whole sentence.
bool expect_map(const YamlNode& node, std::string_view name, std::string_view example,
                Complaints& complaints);
bool expect_list(const YamlNode& node, std::string_view name, std::string_view example,
                 Complaints& complaints);

/// Reports each key of a map that it does not have by the grammar, with the word that was meant.
void check_keys(const YamlNode& map, Mapping mapping, Complaints& complaints);

/// The same where messages call the mapping something else.
void check_keys(const YamlNode& map, Mapping mapping, std::string_view owner, Complaints& complaints);

enum class Lines { kOne, kMany };

/// A text that is not empty, and in quotes if YAML would take it for something else.
std::optional<std::string> read_text(const YamlNode& node, std::string_view name, Complaints& complaints,
                                     Lines lines = Lines::kOne);

/// A simple value as it is written, numbers included.
std::optional<std::string> read_plain(const YamlNode& node, std::string_view name, Complaints& complaints);

std::optional<Duration> read_duration(const YamlNode& node, std::string_view name, Complaints& complaints);

/// A duration within the key's bounds.
std::optional<Duration> read_duration(const YamlNode& node, const KeyEntry& key, Complaints& complaints);

/// A whole number within the key's bounds.
/// `or_else`: what it takes besides a number, for the hint.
std::optional<std::size_t> read_count(const YamlNode& node, const KeyEntry& key, Complaints& complaints,
                                      std::string_view or_else = {});

/// A percentage within the key's bounds, as a part of one. `hint` is a whole sentence.
std::optional<double> read_percentage(const YamlNode& node, const KeyEntry& key, std::string_view hint,
                                      Complaints& complaints);

/// One of the key's choices, as its index. `name`: as messages call it, if not by the key's name.
std::optional<std::size_t> read_choice(const YamlNode& node, const KeyEntry& key, Complaints& complaints,
                                       std::string_view name = {});

/// The values of a list, or the one value that stands in its place; none if it cannot be either.
std::vector<const YamlNode*> one_or_many(const YamlNode& node, std::string_view name, Complaints& complaints);

/// A name that logs and commands can carry: letters, digits, `_`, `-` and `.`, at most 63 of them.
std::optional<std::string> read_identifier(const YamlNode& node, std::string_view name,
                                           Complaints& complaints);

}  // namespace pgcurfew
