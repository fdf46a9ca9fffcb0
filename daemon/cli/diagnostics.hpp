#pragma once

#include "engine/event.hpp"
#include "policy/load.hpp"

namespace pgcurfew {

/// On standard error, each with its line and a caret; waits for the reader, see print_error().
void print_diagnostics(const LoadResult& loaded);

/// The same without waiting for the reader, see say().
void say_diagnostics(const LoadResult& loaded);

/// As an event of the log.
Event event_of(const Diagnostic& diagnostic);

/// That a daemon does not start with these files, and how many errors they have.
Event start_refused_event(const LoadResult& loaded);

}  // namespace pgcurfew
