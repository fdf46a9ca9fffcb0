#include "app/diagnostic_events.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

namespace pgcurfew {

Event event_of(const Diagnostic& diagnostic) {
  const bool is_error = diagnostic.severity == Severity::kError;
  Event event{is_error ? Level::kError : Level::kWarning,
              is_error ? "configuration_error" : "configuration_warning",
              diagnostic.message,
              {{"file", diagnostic.place.file}}};
  if (diagnostic.place.line > 0) {
    event.fields.emplace_back("line", static_cast<std::int64_t>(diagnostic.place.line));
    event.fields.emplace_back("column", static_cast<std::int64_t>(diagnostic.place.column));
  }
  if (!diagnostic.hint.empty()) event.fields.emplace_back("hint", diagnostic.hint);
  return event;
}

Event start_refused_event(const LoadResult& loaded) {
  const auto errors =
      std::count_if(loaded.diagnostics.begin(), loaded.diagnostics.end(),
                    [](const Diagnostic& diagnostic) { return diagnostic.severity == Severity::kError; });
  return {Level::kError,
          "start_refused",
          fmt::format("the configuration has {} error{}; not started", errors, errors == 1 ? "" : "s"),
          {}};
}

}  // namespace pgcurfew
