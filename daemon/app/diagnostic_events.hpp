#pragma once

#include "events/event.hpp"
#include "policy/reader/load.hpp"

namespace pgcurfew {

/// As an event of the log.
Event event_of(const Diagnostic& diagnostic);

/// That a daemon does not start with these files, and how many errors they have.
Event start_refused_event(const LoadResult& loaded);

}  // namespace pgcurfew
