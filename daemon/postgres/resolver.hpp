#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace pgcurfew {

/// Looks names up beside the loop: getaddrinfo blocks, at times for half a minute.
///
/// Each look-up runs on a thread of its own that shares nothing with us but its result; one that hangs is
/// left behind, and holds up no other name.
class Resolver {
 public:
  using Addresses = std::map<std::string, std::vector<std::string>>;
  /// The addresses of a name, in numbers.
  using LookUp = std::function<std::vector<std::string>(const std::string&)>;

  explicit Resolver(std::vector<std::string> names, Duration grace = kGrace,
                    const LookUp& look_up = system_look_up());

  /// Becomes readable when there is news.
  [[nodiscard]] int fd() const;

  /// To be called when fd() is readable.
  void acknowledge() const;

  /// Addresses in numbers for each name of which any are known by now.
  [[nodiscard]] Addresses addresses() const;

  /// Whether every look-up has ended.
  [[nodiscard]] bool is_complete() const;

  /// Whether to begin with what is known: all, or as much as has come within the grace, so that hosts are
  /// tried in their order where nothing hangs.
  [[nodiscard]] bool may_begin() const;

  static constexpr Duration kGrace = std::chrono::milliseconds(300);

 private:
  static LookUp system_look_up();
  struct Shared;
  static void run(std::function<void()> work);
  std::shared_ptr<Shared> shared_;
};

}  // namespace pgcurfew
