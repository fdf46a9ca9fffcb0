#include "postgres/resolver.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <netdb.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace pgcurfew {

struct Resolver::Shared {
  explicit Shared(std::size_t names) : fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), left(names) {}
  ~Shared() {
    if (fd >= 0) close(fd);
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  void tell() const {
    const std::uint64_t one = 1;
    // cannot fail: the counter of an eventfd is far from full
    [[maybe_unused]] const auto written = write(fd, &one, sizeof one);
  }

  const int fd;
  std::mutex mutex;
  std::condition_variable all_came;
  Addresses addresses;
  std::size_t left;  ///< look-ups that have not ended
  bool is_grace_over = false;
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

Resolver::LookUp Resolver::system_look_up() {
  return look_up;
}

void Resolver::run(std::function<void()> work) {
  try {
    std::thread(work).detach();
  } catch (const std::system_error&) {
    work();  // no thread to be had: better late than never
  }
}

Resolver::Resolver(std::vector<std::string> names, Duration grace, const LookUp& look_up)
    : shared_(std::make_shared<Shared>(names.size())) {
  for (auto& name : names) {
    run([shared = shared_, look_up, name = std::move(name)]() noexcept {
      auto numbers = look_up(name);
      const std::lock_guard<std::mutex> lock(shared->mutex);
      if (!numbers.empty()) shared->addresses[name] = std::move(numbers);
      if (--shared->left == 0) shared->all_came.notify_all();
      shared->tell();
    });
  }
  run([shared = shared_, grace]() noexcept {
    std::unique_lock<std::mutex> lock(shared->mutex);
    shared->all_came.wait_for(lock, grace, [&] { return shared->left == 0; });
    shared->is_grace_over = true;
    shared->tell();
  });
}

int Resolver::fd() const {
  return shared_->fd;
}

void Resolver::acknowledge() const {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = read(shared_->fd, &count, sizeof count);
}

Resolver::Addresses Resolver::addresses() const {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  return shared_->addresses;
}

bool Resolver::is_complete() const {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  return shared_->left == 0;
}

bool Resolver::may_begin() const {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  return shared_->left == 0 || shared_->is_grace_over;
}

}  // namespace pgcurfew
