#pragma once

#include <span>
#include <string>
#include <string_view>

namespace pgcurfew {

/// A word that people write instead of one that the language has.
struct Synonym {
  std::string_view written;
  std::string_view meant;
  std::string_view hint = {};  ///< of a key: a whole sentence that says more than what was meant
};

/// `Did you mean "x"?` by the synonyms first, by nearness then; empty if nothing comes close.
std::string did_you_mean(std::string_view written, std::span<const std::string_view> known,
                         std::span<const Synonym> synonyms);

/// The hint for an unknown key: what was probably meant, or what is known.
std::string hint_for_key(std::string_view written, std::span<const std::string_view> known,
                         std::span<const Synonym> synonyms);

}  // namespace pgcurfew
