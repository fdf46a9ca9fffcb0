#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgcurfew {

/// For each line of a file, whether it may contain a part of a connection string: lines of `servers`, and of
/// a section without a known name, if they can contain such a string at all; lines of `pgbouncer` and
/// `conninfo` anywhere.
///
/// Uses only the lines and their indentation, so it also works for a file that is not YAML.
std::vector<bool> lines_near_secrets(std::string_view text);

/// The part of such a line that may be shown: names, labels, and the key of a connection string, up to the
/// first other text. Empty if that leaves no word.
std::string harmless_part(std::string_view line);

/// A text for messages, cut at the first sign of a password in a connection string.
std::string without_secrets(std::string_view text);

}  // namespace pgcurfew
