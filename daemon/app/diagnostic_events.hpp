#pragma once

#include "events/event.hpp"
#include "policy/reader/load.hpp"

namespace pgcurfew {

/// A diagnostic as an event of the log.
Event event_of(const Diagnostic& diagnostic);

/// The event that a daemon does not start with these files, with the number of errors.
Event start_refused_event(const LoadResult& loaded);

}  // namespace pgcurfew
