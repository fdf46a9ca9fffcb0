#include "postgres/resolver.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <system_error>
#include <thread>

#include <netdb.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace pgcurfew {

struct Resolver::Shared {
  Shared() : fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Shared() {
    if (fd >= 0) close(fd);
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  int fd;
  std::mutex mutex;
  std::optional<Addresses> addresses;
};

namespace {

std::vector<std::string> look_up(const std::string& name) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &wanted, &list) != 0) return {};
  std::vector<std::string> numbers;
  for (const auto* entry = list; entry != nullptr; entry = entry->ai_next) {
    std::array<char, NI_MAXHOST> number{};
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, number.data(), number.size(), nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      std::string text = number.data();
      if (std::find(numbers.begin(), numbers.end(), text) == numbers.end())
        numbers.push_back(std::move(text));
    }
  }
  freeaddrinfo(list);
  return numbers;
}

}  // namespace

Resolver::Resolver(std::vector<std::string> names) : shared_(std::make_shared<Shared>()) {
  const auto work = [shared = shared_, names = std::move(names)]() noexcept {
    Addresses addresses;
    for (const auto& name : names) {
      auto numbers = look_up(name);
      if (!numbers.empty()) addresses[name] = std::move(numbers);
    }
    {
      const std::lock_guard<std::mutex> lock(shared->mutex);
      shared->addresses = std::move(addresses);
    }
    const std::uint64_t one = 1;
    // cannot fail: the counter of an eventfd is far from full
    [[maybe_unused]] const auto written = write(shared->fd, &one, sizeof one);
  };
  try {
    std::thread(work).detach();
  } catch (const std::system_error&) {
    work();  // no thread to be had: better late than never
  }
}

int Resolver::fd() const {
  return shared_->fd;
}

std::optional<Resolver::Addresses> Resolver::result() const {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  return shared_->addresses;
}

}  // namespace pgcurfew
