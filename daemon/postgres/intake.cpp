#include "postgres/intake.hpp"

#include <algorithm>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace pgcurfew {

namespace {
constexpr int kReadAtOnce = 16384;  // libpq's buffer
}

bool Intake::take(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  int waiting = 0;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_bytes_received > 0) {
    received_ = info.tcpi_bytes_received;
  } else if (ioctl(fd, FIONREAD, &waiting) == 0) {
    received_ += static_cast<std::uint64_t>(std::min(waiting, kReadAtOnce));
  }
  return received_ - start_ <= most_;
}

void Intake::reset() {
  start_ = received_;
}

}  // namespace pgcurfew
