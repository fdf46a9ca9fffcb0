#pragma once

#include <span>
#include <string>
#include <string_view>

#include "policy/grammar/key.hpp"

namespace pgcurfew {

/// `Did you mean "x"?`, by the synonyms first, then by the nearest word; empty if no word is near.
std::string did_you_mean(std::string_view written, std::span<const std::string_view> known,
                         std::span<const Synonym> synonyms);

/// The hint for an unknown key: the likely key, or the known keys.
std::string hint_for_key(std::string_view written, std::span<const std::string_view> known,
                         std::span<const Synonym> synonyms);

}  // namespace pgcurfew
