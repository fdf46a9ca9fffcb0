#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.hpp"

namespace pgcurfew {

enum class Level { kDebug, kInfo, kNotice, kWarning, kError };

/// A query's text as the server sent it. Only report/ may turn it into something printable.
struct RawQuery {
  std::string text;
};

using FieldValue = std::variant<std::int64_t, double, bool, std::string, RawQuery, Duration, ServerTime>;

/// Something worth a line in the log.
/// *Shapes*: `kind` is a fixed word of the vocabulary (`intent`, `outcome`, `verified`, `unkillable`,
/// `superseded`, `server_up`, `server_down`, ...); `message` is for people; `fields` for machines, each name
/// once, in the order in which they are shown.
struct Event {
  Level level = Level::kInfo;
  std::string kind;
  std::string message;
  std::vector<std::pair<std::string, FieldValue>> fields;
};

}  // namespace pgcurfew
