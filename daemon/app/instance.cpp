#include "app/instance.hpp"

#include <array>

#include <fmt/format.h>
#include <unistd.h>

namespace pgcurfew {

namespace {

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  std::string text = name.data();
  for (auto& c : text) {
    const bool is_plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
    if (!is_plain) c = '-';
  }
  return text.empty() ? "host" : text;
}

}  // namespace

std::string instance_name() {
  return fmt::format("{}:{}", host_name(), getpid());
}

std::string name_by_hand() {
  return fmt::format("by-hand-{}-{}", host_name(), getpid());
}

}  // namespace pgcurfew
