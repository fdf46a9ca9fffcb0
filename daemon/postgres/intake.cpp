#include "postgres/intake.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>
#include <sys/types.h>

namespace pgcurfew {

namespace {
thread_local Intake* counting = nullptr;
}

Intake::Reading::Reading(Intake& intake) {
  intake.room_ = kAtOnce;
  counting = &intake;
}

Intake::Reading::~Reading() {
  counting = nullptr;
}

void Intake::count(std::size_t bytes) {
  received_ += bytes;
  room_ -= std::min(room_, bytes);
}

}  // namespace pgcurfew

// under another name, because headers may define recv() inline
extern "C" [[gnu::visibility("default")]] ssize_t pgcurfew_recv(int fd, void* buffer, std::size_t size,
                                                                int flags) __asm__("recv");

ssize_t pgcurfew_recv(int fd, void* buffer, std::size_t size, int flags) {
  auto* intake = pgcurfew::counting;
  if (intake == nullptr) return recvfrom(fd, buffer, size, flags, nullptr, nullptr);
  if (intake->room() == 0) {
    errno = EAGAIN;
    return -1;
  }
  const auto received = recvfrom(fd, buffer, std::min(size, intake->room()), flags, nullptr, nullptr);
  if (received > 0) intake->count(static_cast<std::size_t>(received));
  return received;
}
