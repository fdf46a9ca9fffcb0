#pragma once

#include <cstddef>
#include <string>

namespace pgcurfew {

struct WindowsOptions {
  std::string file;
  std::size_t next = 5;  ///< number of windows to show for each rule and drain
  bool json = false;
};

/// `pgcurfew windows`: prints when the hours of each rule begin next, and when each drain begins next, by
/// this machine's clock. *Errors*: 78 for the files.
int show_windows(const WindowsOptions& options);

}  // namespace pgcurfew
