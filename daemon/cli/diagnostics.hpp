#pragma once

#include "policy/reader/load.hpp"

namespace pgcurfew {

/// Prints them on standard error, each with its line and a caret; waits for the reader, see print_error().
void print_diagnostics(const LoadResult& loaded);

/// The same without waiting for the reader, see say().
void say_diagnostics(const LoadResult& loaded);

}  // namespace pgcurfew
