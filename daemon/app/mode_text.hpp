#pragma once

#include <string_view>

#include "policy/policy.hpp"

namespace pgcurfew {

/// A mode as it stands out in a line: `ENFORCE`, `DRY-RUN`.
inline std::string_view capitals(Mode mode) {
  return mode == Mode::kEnforce ? "ENFORCE" : "DRY-RUN";
}

}  // namespace pgcurfew
