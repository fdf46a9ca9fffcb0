#pragma once

#include "base/time.hpp"

namespace pgcurfew {

/// This machine's clock, as if it were a server's: for what people are told, never for what is done.
ServerTime wall_clock();

}  // namespace pgcurfew
