#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>

#include "engine/order.hpp"

namespace pgcurfew::testing {

/// What the guard's SQL makes of a text and a state, for models of a server.
inline bool holds(const TextGuard& guard, const std::optional<std::string>& text) {
  const auto fits_one_of = [&](const std::vector<TextPattern>& patterns) {
    return text && std::any_of(patterns.begin(), patterns.end(),
                               [&](const TextPattern& pattern) { return pattern.matches(*text); });
  };
  if (guard.unchanged && *guard.unchanged != text) return false;
  if (guard.fits && !fits_one_of(*guard.fits)) return false;
  return !fits_one_of(guard.spares);
}

/// What a guard asks of a text; nothing if it does not check it.
inline TextGuard text_guard_of(const Guard& guard, Field field) {
  const auto found = guard.texts.find(field);
  return found == guard.texts.end() ? TextGuard() : found->second;
}

inline bool holds(const Guard& guard, Field field, const std::optional<std::string>& text) {
  return holds(text_guard_of(guard, field), text);
}

inline bool holds(const Guard& guard, Field field, const std::optional<std::int64_t>& number) {
  const auto found = guard.numbers.find(field);
  return found == guard.numbers.end() || found->second == number;
}

/// A model knows the texts and numbers that it checks.
/// *Errors*: throws if the guard checks another.
inline void expect_only(const Guard& guard, const std::set<Field>& texts, const std::set<Field>& numbers) {
  const auto expect = [](const auto& checked, const std::set<Field>& known) {
    for (const auto& entry : checked) {
      if (!known.contains(entry.first)) {
        throw std::logic_error("the model does not know " + std::string(entry_of(entry.first).name));
      }
    }
  };
  expect(guard.texts, texts);
  expect(guard.numbers, numbers);
}

inline bool holds_state(const Guard& guard, const std::optional<State>& state) {
  const auto is_one_of = [&](const std::vector<State>& states) {
    return state && std::find(states.begin(), states.end(), *state) != states.end();
  };
  return (!guard.states || is_one_of(*guard.states)) && !is_one_of(guard.spared_states);
}

}  // namespace pgcurfew::testing
