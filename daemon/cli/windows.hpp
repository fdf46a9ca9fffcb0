#pragma once

#include <cstddef>
#include <string>

namespace pgcurfew {

struct WindowsOptions {
  std::string file;
  std::size_t next = 5;  ///< number of windows to show of each rule and drain
  bool json = false;
};

/// `pgcurfew windows`: when each rule that has hours is open next, and when each drain comes, by this
/// machine's clock. *Errors*: 78 for the files.
int show_windows(const WindowsOptions& options);

}  // namespace pgcurfew
