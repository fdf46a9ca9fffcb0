#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgcurfew {

/// For each line of a file whether a part of a connection string may stand in it: those of `servers`, and of
/// a section without a known name, if such a string can be in there at all; those of `pgbouncer` and
/// `conninfo` wherever they are.
///
/// Goes by the lines and their indentation alone, so it holds for a file that is not YAML, too.
std::vector<bool> lines_near_secrets(std::string_view text);

/// Of such a line what may be shown: names, labels, and the key of a connection string, up to the first thing
/// that is nothing of that. Empty if that leaves no word.
std::string harmless_part(std::string_view line);

/// A text without what follows the first sign of a password in a connection string, as messages may show it.
std::string without_secrets(std::string_view text);

}  // namespace pgcurfew
