#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/yaml/complaints.hpp"

namespace pgcurfew {

/// One value of a YAML file as written, without interpretation.
struct YamlNode {
  enum class Kind {
    kNothing,  ///< no value, `~` or `null` without quotes
    kText,
    kList,
    kMap,
    kRefused,  ///< an error has been reported for it; readers skip it
  };

  Kind kind = Kind::kNothing;
  PlaceInText at;  ///< where it begins; where its key begins if there is no value
  std::string text;
  bool is_plain = false;         ///< a text without quotes, whose type YAML would guess
  bool is_folded = false;        ///< a plain or quoted text that continues past the end of a line
  std::vector<YamlNode> keys;    ///< of a map: texts, all different
  std::vector<YamlNode> values;  ///< of a map or a list

  /// The value of a key, null if the map does not have it.
  [[nodiscard]] const YamlNode* find(std::string_view key) const;
};

/// Whether an apparent key of `map` may be the rest of an unquoted connection string with a comma: then
/// messages must not quote it.
bool may_be_rest_of_text(const YamlNode& map, PlaceInText key, const Complaints& complaints);

/// Turns a file's text into a tree. Takes the safe part of YAML only.
/// *Shapes*: at most 1 MiB, 100,000 values, 64 levels deep.
/// *Errors*: none of its own; each error is in `complaints` with its place: bad syntax, bytes that are not
/// UTF-8, control characters, aliases, anchors, tags, merge keys, duplicate keys, keys that are not texts,
/// several documents, an empty file, and files past the bounds. The result is empty if there is no usable
/// tree.
std::optional<YamlNode> parse_yaml(Complaints& complaints);

}  // namespace pgcurfew
