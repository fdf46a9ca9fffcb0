#include "policy/grammar/synonyms.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew {

std::string did_you_mean(std::string_view written, std::span<const std::string_view> known,
                         std::span<const Synonym> synonyms) {
  for (const auto& synonym : synonyms) {
    if (synonym.written == written) return fmt::format("Did you mean \"{}\"?", synonym.meant);
  }
  const auto nearest = nearest_word(written, known);
  return nearest ? fmt::format("Did you mean \"{}\"?", *nearest) : std::string();
}

std::string hint_for_key(std::string_view written, std::span<const std::string_view> known,
                         std::span<const Synonym> synonyms) {
  const auto colon = written.find(':');
  if (colon != std::string_view::npos &&
      std::find(known.begin(), known.end(), written.substr(0, colon)) != known.end()) {
    return "A blank follows the colon: \"key: value\".";
  }
  const auto synonym = std::find_if(synonyms.begin(), synonyms.end(), [&](const Synonym& entry) {
    return entry.written == written && !entry.hint.empty();
  });
  if (synonym != synonyms.end()) return std::string(synonym->hint);
  auto hint = did_you_mean(written, known, synonyms);
  return hint.empty() ? fmt::format("Known here: {}.", fmt::join(known, ", ")) : hint;
}

}  // namespace pgcurfew
