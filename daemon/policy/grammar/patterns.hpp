#pragma once

#include <string>

#include "policy/grammar/key.hpp"

namespace pgcurfew {

/// What one value of a key looks like where it is written as a text, for editors: the reader accepts nothing
/// else, but can refuse some of it. A regular expression as JSON Schema has them (ECMA 262); empty for any
/// text, a mapping and for one of `choices`.
std::string pattern_of(const KeyEntry& key);

}  // namespace pgcurfew
