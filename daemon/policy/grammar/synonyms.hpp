#pragma once

#include <span>
#include <string>
#include <string_view>

#include "policy/grammar/key.hpp"

namespace pgcurfew {

/// `Did you mean "x"?` by the synonyms first, by nearness then; empty if nothing comes close.
std::string did_you_mean(std::string_view written, std::span<const std::string_view> known,
                         std::span<const Synonym> synonyms);

/// The hint for an unknown key: what was probably meant, or what is known.
std::string hint_for_key(std::string_view written, std::span<const std::string_view> known,
                         std::span<const Synonym> synonyms);

}  // namespace pgcurfew
