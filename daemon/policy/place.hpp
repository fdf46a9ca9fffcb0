#pragma once

#include <cstddef>
#include <string>

namespace pgcurfew {

/// A place in the files that were read. Line and column count from 1.
struct Place {
  std::string file;
  std::size_t line = 0;
  std::size_t column = 0;
};

}  // namespace pgcurfew
