#include "postgres/look_ups.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <netdb.h>

#include "base/words.hpp"

namespace pgcurfew {

/// Shared with the threads, which may outlive us.
struct LookUps::Running {
  explicit Running(LookUp how) : look_up(std::move(how)) {}
  const LookUp look_up;
  std::mutex mutex;
  std::map<std::string, std::vector<std::weak_ptr<Told>>> names;  ///< and who waits for them
};

namespace {

LookUps::Numbers ask_system(const std::string& name) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &wanted, &list) != 0) return {};
  LookUps::Numbers numbers;
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

LookUps::LookUps(LookUp look_up, std::size_t most, Start start)
    : running_(std::make_shared<Running>(std::move(look_up))), most_(most), start_(std::move(start)) {}

const std::shared_ptr<LookUps>& LookUps::of_system() {
  static const auto kOfSystem = std::make_shared<LookUps>(ask_system);
  return kOfSystem;
}

bool LookUps::start_thread(std::function<void()> work) {
  try {
    std::thread(std::move(work)).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

Result<void> LookUps::ask(const std::string& name, const std::shared_ptr<Told>& told) {
  const std::lock_guard<std::mutex> lock(running_->mutex);
  auto& names = running_->names;
  if (const auto found = names.find(name); found != names.end()) {
    // a name that hangs is asked for again and again
    std::erase_if(found->second, [](const auto& waiting) { return waiting.expired(); });
    found->second.push_back(told);
    return {};
  }
  if (names.size() >= most_) {
    return failure(fmt::format("could not look up {}: {} other look-ups have not ended", printable(name, 80),
                               names.size()),
                   {}, "Does the name service answer?");
  }
  names[name] = {told};
  const bool has_started = start_([running = running_, name]() noexcept {
    const auto numbers = running->look_up(name);
    std::vector<std::weak_ptr<Told>> waiting;
    {
      const std::lock_guard<std::mutex> ending(running->mutex);
      waiting = std::move(running->names[name]);
      running->names.erase(name);
    }
    for (const auto& one : waiting) {
      if (const auto to_tell = one.lock()) (*to_tell)(numbers);
    }
  });
  if (has_started) return {};
  names.erase(name);
  return failure(fmt::format("could not look up {}: no thread could be started", printable(name, 80)), {},
                 "Is there a limit on tasks (TasksMax of its unit), or is memory short?");
}

}  // namespace pgcurfew
