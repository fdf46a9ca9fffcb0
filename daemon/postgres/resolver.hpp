#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgcurfew {

/// Looks names up beside the loop: getaddrinfo blocks, at times for half a minute.
///
/// The look-up runs on a thread of its own that shares nothing with us but its result; one that hangs is left
/// behind.
class Resolver {
 public:
  using Addresses = std::map<std::string, std::vector<std::string>>;

  explicit Resolver(std::vector<std::string> names);

  /// Becomes readable when the result is there.
  [[nodiscard]] int fd() const;

  /// Addresses in numbers for each name that has any; nothing as long as the look-up runs.
  [[nodiscard]] std::optional<Addresses> result() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace pgcurfew
