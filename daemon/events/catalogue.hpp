#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "events/event.hpp"
#include "events/kind.hpp"

namespace pgcurfew {

/// The type of a field.
/// *Units*: durations are seconds in JSON, times ISO 8601.
enum class FieldType { kInteger, kReal, kFlag, kText, kQuery, kDuration, kTime };

struct EventFieldEntry {
  std::string_view name;
  FieldType type = FieldType::kText;
};

/// The description of a kind of event. Emitters, schema and manual share this one table.
struct KindEntry {
  Kind kind = Kind::kIntent;
  std::string_view name;
  Level level = Level::kInfo;
  std::array<std::optional<Level>, 2> other_levels = {};
  std::string_view message_id;  ///< MESSAGE_ID of systemd's journal: 128 bits in hex, never changed
  bool can_be_alert = false;    ///< whether receivers of alerts can select it
  std::string_view meaning;     ///< how its entry in pgcurfew-log(5) begins, without a full stop
  std::span<const EventFieldEntry> fields = {};  ///< the fields that it can have

  [[nodiscard]] constexpr bool has_level(Level wanted) const {
    return wanted == level ||
           std::find(other_levels.begin(), other_levels.end(), wanted) != other_levels.end();
  }
};

/// In the order of the manual.
std::span<const KindEntry> all_kinds();
const KindEntry& entry_of(Kind kind);

/// The entry of a kind by its name; null if there is none.
const KindEntry* find_kind(std::string_view name);

/// How an event differs from its entry in the catalogue; empty if it does not.
std::string fault_of(const Event& event);

}  // namespace pgcurfew
