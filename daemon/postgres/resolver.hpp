#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "postgres/look_ups.hpp"

namespace pgcurfew {

/// Looks up the names of one attempt to connect on other threads: getaddrinfo() blocks, sometimes for half a
/// minute.
///
/// A look-up that hangs does not delay other names; the next attempt joins it.
class Resolver {
 public:
  using Addresses = std::map<std::string, LookUps::Numbers>;

  explicit Resolver(const std::vector<std::string>& names, Duration grace = kGrace,
                    const std::shared_ptr<LookUps>& look_ups = LookUps::of_system());

  /// Becomes readable when there is news.
  [[nodiscard]] int fd() const;

  /// To be called when fd() is readable.
  void acknowledge() const;

  /// The numeric addresses of the names whose look-ups have found any so far.
  [[nodiscard]] Addresses addresses() const;

  /// Whether every look-up has ended.
  [[nodiscard]] bool is_complete() const;

  /// Why a look-up could not be started, if that happened.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

  /// Whether to connect to the known addresses: all look-ups have ended, or the grace is over. If no look-up
  /// hangs, hosts are thus tried in their order.
  [[nodiscard]] bool may_begin() const;

  static constexpr Duration kGrace = std::chrono::milliseconds(300);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::vector<std::shared_ptr<LookUps::Told>> told_;
  std::optional<Error> error_;
};

}  // namespace pgcurfew
