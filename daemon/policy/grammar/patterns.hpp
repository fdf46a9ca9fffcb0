#pragma once

#include <string>

#include "policy/grammar/key.hpp"

namespace pgcurfew {

/// The form of a key's value when written as a text, for editors: the reader accepts nothing else, but may
/// refuse some of it. A regular expression of JSON Schema (ECMA 262); empty for any text, for a mapping and
/// for one of `choices`.
std::string pattern_of(const KeyEntry& key);

}  // namespace pgcurfew
