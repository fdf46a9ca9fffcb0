#pragma once

#include <cstddef>
#include <string>

namespace pgcurfew {

struct WindowsOptions {
  std::string file;
  std::size_t next = 5;  ///< so many stretches of each rule
  bool json = false;
};

/// `pgcurfew windows`: when each rule that has hours is open next, by the system's clock.
/// *Errors*: 78 for the files.
int show_windows(const WindowsOptions& options);

}  // namespace pgcurfew
