#include "system/child.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pgcurfew {

namespace {

/// What posix_spawnp() needs: an array of pointers with a null at the end.
std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& variables) {
  std::vector<std::string> environment;
  environment.reserve(variables.size());
  for (const auto& [name, value] : variables) environment.push_back(fmt::format("{}={}", name, value));
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    bool is_replaced = false;
    for (const auto& variable : variables)
      is_replaced = is_replaced || text.starts_with(variable.first + "=");
    if (!is_replaced) environment.emplace_back(text);
  }
  return environment;
}

}  // namespace

Result<Child> Child::start(const std::vector<std::string>& argv,
                           const std::vector<std::pair<std::string, std::string>>& variables) {
  auto arguments = argv;
  auto environment = environment_with(variables);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // the loop blocks signals, and outlive_readers() ignores some
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, arguments.front().c_str(), nullptr, &attributes,
                                 pointers_to(arguments).data(), pointers_to(environment).data());
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return failure("could not start " + argv.front() + ": " +
                   std::strerror(error));  // NOLINT(concurrency-mt-unsafe)
  }
  return Child(pid);
}

std::optional<int> Child::status() {
  int found = 0;
  if (!status_ && waitpid(pid_, &found, WNOHANG) == pid_) {
    constexpr int kSignalled = 128;
    status_ = WIFEXITED(found) ? WEXITSTATUS(found) : kSignalled + WTERMSIG(found);
  }
  return status_;
}

void Child::signal(int number) const {
  if (!status_) kill(pid_, number);
}

}  // namespace pgcurfew
