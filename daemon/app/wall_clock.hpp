#pragma once

#include "base/time.hpp"

namespace pgcurfew {

/// This machine's clock, as if it were a server's: for output only, never for decisions.
ServerTime wall_clock();

}  // namespace pgcurfew
