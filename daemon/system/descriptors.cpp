#include "system/descriptors.hpp"

#include <csignal>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pgcurfew {

void fill_standard_descriptors() {
  for (int descriptor = 0; descriptor <= 2; ++descriptor) {
    // open() takes the lowest free number, which is this one
    if (fcntl(descriptor, F_GETFD) == -1) static_cast<void>(open("/dev/null", O_RDWR));
  }
}

void outlive_readers() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTTOU, SIG_IGN);
}

void leave_at_once(int status) {
  _exit(status);
}

void hide_new_files() {
  constexpr mode_t kHidden = S_IWGRP | S_IXGRP | S_IRWXO;
  umask(umask(kHidden) | kHidden);
}

}  // namespace pgcurfew
