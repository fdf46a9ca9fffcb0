#include "app/diagnostic_events.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "events/fields.hpp"

namespace pgcurfew {

Event event_of(const Diagnostic& diagnostic) {
  const bool is_error = diagnostic.severity == Severity::kError;
  Event event(is_error ? Kind::kConfigurationError : Kind::kConfigurationWarning, diagnostic.message);
  event.add(field::kFile, diagnostic.place.file);
  if (diagnostic.place.line > 0) {
    event.add(field::kLine, diagnostic.place.line);
    event.add(field::kColumn, diagnostic.place.column);
  }
  if (!diagnostic.hint.empty()) event.add(field::kHint, diagnostic.hint);
  return event;
}

Event start_refused_event(const LoadResult& loaded) {
  const auto errors =
      std::count_if(loaded.diagnostics.begin(), loaded.diagnostics.end(),
                    [](const Diagnostic& diagnostic) { return diagnostic.severity == Severity::kError; });
  return Event(Kind::kStartRefused,
               fmt::format("the configuration has {} error{}; not started", errors, errors == 1 ? "" : "s"));
}

}  // namespace pgcurfew
