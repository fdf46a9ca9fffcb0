#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "events/kind.hpp"

namespace pgcurfew {

/// A query's text as the server sent it. Only report/ may turn it into something printable.
struct RawQuery {
  std::string text;
};

using FieldValue = std::variant<std::int64_t, double, bool, std::string, RawQuery, Duration, ServerTime>;

/// The name of an event's field, with the type of its value. All of them are in events/fields.hpp.
template <class T>
struct EventField {
  std::string_view name;
};

/// A thing that happened and is logged.
/// *Shapes*: `message` is for readers; `fields` are for programs: fields that the catalogue lists for the
/// kind, each at most once, in the order in which they are shown.
struct Event {
  Kind kind;
  Level level;  ///< the kind's usual one, unless said otherwise
  std::string message;
  std::vector<std::pair<std::string_view, FieldValue>> fields;

  // Set once: by Watch, or by the service for its own events.
  std::string id;      ///< unique
  std::string server;  ///< its name in the policy; empty: an event of pgcurfew itself
  WallTime wall_time{};
  std::optional<ServerTime> server_time;  ///< by the server's clock, as far as we know it

  explicit Event(Kind what, std::string text = {});

  /// Adds *error*, *detail*, *hint* and *sqlstate*, each if it is not empty.
  void add(const Error& error);

  /// Adds a field; does nothing for an empty optional.
  template <class T, class Value>
  void add(EventField<T> field, Value&& value) {
    if constexpr (requires { value.has_value(); }) {
      if (value.has_value()) add(field, *std::forward<Value>(value));
    } else if constexpr (std::is_same_v<T, std::int64_t>) {
      static_assert(std::is_integral_v<std::remove_cvref_t<Value>> &&
                    !std::is_same_v<std::remove_cvref_t<Value>, bool>);
      fields.emplace_back(field.name, static_cast<std::int64_t>(value));
    } else {
      fields.emplace_back(field.name, FieldValue(std::in_place_type<T>, T{std::forward<Value>(value)}));
    }
  }
};

}  // namespace pgcurfew
