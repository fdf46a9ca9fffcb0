#include <fcntl.h>

#include "cli/command_line.hpp"

namespace {

/// A standard descriptor that we were started without would be the next file or socket to be opened, and the
/// log would go there.
void fill_standard_descriptors() {
  for (int descriptor = 0; descriptor <= 2; ++descriptor) {
    // takes the lowest free number, which is this one
    if (fcntl(descriptor, F_GETFD) == -1) static_cast<void>(open("/dev/null", O_RDWR));
  }
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_descriptors();
  return pgcurfew::run_command_line(argc, argv);
}
