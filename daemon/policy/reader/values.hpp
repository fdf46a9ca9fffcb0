#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "policy/grammar/grammar.hpp"
#include "policy/yaml/yaml_tree.hpp"

namespace pgcurfew {

// Readers of simple values. `name` is the key as messages name it; errors go to `complaints`, and then the
// result is empty.

/// Whether a node is a non-empty map. `example` is a whole sentence.
bool expect_map(const YamlNode& node, std::string_view name, std::string_view example,
                Complaints& complaints);
bool expect_list(const YamlNode& node, std::string_view name, std::string_view example,
                 Complaints& complaints);

/// Reports each key of a map that the grammar does not have, with the likely word.
void check_keys(const YamlNode& map, Mapping mapping, Complaints& complaints);

/// The same if messages use another name for the mapping.
void check_keys(const YamlNode& map, Mapping mapping, std::string_view owner, Complaints& complaints);

/// The value of a key that a map must have; an error names the map as its `owner`, as in `a rule`. `hint` is
/// a whole sentence.
const YamlNode* find_required(const YamlNode& map, std::string_view owner, std::string_view key,
                              std::string_view hint, Complaints& complaints);

enum class Lines { kOne, kMany };

/// Reads a text that is not empty, and is in quotes if YAML would take it for something else.
std::optional<std::string> read_text(const YamlNode& node, std::string_view name, Complaints& complaints,
                                     Lines lines = Lines::kOne);

/// Reads the absolute path of a file. `hint` is a whole sentence. Returns what is written there, if it is a
/// text, also after an error.
std::string read_path(const YamlNode& node, std::string_view name, std::string_view hint,
                      Complaints& complaints);

/// Reads a simple value as written, numbers included.
std::optional<std::string> read_plain(const YamlNode& node, std::string_view name, Complaints& complaints);

std::optional<Duration> read_duration(const YamlNode& node, std::string_view name, Complaints& complaints);

/// Reads a duration within the key's bounds.
std::optional<Duration> read_duration(const YamlNode& node, const KeyEntry& key, Complaints& complaints);

/// Reads a whole number within the key's bounds. `or_else`: what the key takes besides a number, for the
/// hint.
std::optional<std::size_t> read_count(const YamlNode& node, const KeyEntry& key, Complaints& complaints,
                                      std::string_view or_else = {});

/// Reads a number of bytes within the key's bounds.
std::optional<std::int64_t> read_size(const YamlNode& node, const KeyEntry& key, Complaints& complaints);

/// Reads `true` or `false`.
std::optional<bool> read_flag(const YamlNode& node, const KeyEntry& key, Complaints& complaints);

/// Reads a percentage within the key's bounds, as a fraction. `hint` is a whole sentence.
std::optional<double> read_percentage(const YamlNode& node, const KeyEntry& key, std::string_view hint,
                                      Complaints& complaints);

/// Reads one of the key's choices, as its index. `name`: the name in messages, if not the key's.
std::optional<std::size_t> read_choice(const YamlNode& node, const KeyEntry& key, Complaints& complaints,
                                       std::string_view name = {});

/// The values of a list, or the single value in its place; empty if it is neither.
std::vector<const YamlNode*> one_or_many(const YamlNode& node, std::string_view name, Complaints& complaints);

/// Reads a name for logs and commands: letters, digits, `_`, `-` and `.`, at most 63 of them.
std::optional<std::string> read_identifier(const YamlNode& node, std::string_view name,
                                           Complaints& complaints);

}  // namespace pgcurfew
