#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "events/event.hpp"

namespace pgcurfew::simulation {

/// The value of an event's field; empty if there is none of that type.
template <class T>
std::optional<T> field_of(const Event& event, std::string_view name) {
  for (const auto& [key, value] : event.fields) {
    if (key == name && std::holds_alternative<T>(value)) return std::get<T>(value);
  }
  return std::nullopt;
}

}  // namespace pgcurfew::simulation
