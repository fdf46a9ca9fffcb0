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

/// Looks the names of one attempt to connect up beside the loop: getaddrinfo blocks, at times for half a
/// minute.
///
/// One that hangs holds up no other name; the next attempt joins its look-up.
class Resolver {
 public:
  using Addresses = std::map<std::string, LookUps::Numbers>;

  explicit Resolver(const std::vector<std::string>& names, Duration grace = kGrace,
                    const std::shared_ptr<LookUps>& look_ups = LookUps::of_system());

  /// Becomes readable when there is news.
  [[nodiscard]] int fd() const;

  /// To be called when fd() is readable.
  void acknowledge() const;

  /// Addresses in numbers for each name of which any are known by now.
  [[nodiscard]] Addresses addresses() const;

  /// Whether every look-up has ended.
  [[nodiscard]] bool is_complete() const;

  /// Why a name was not even asked for, if there is one.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

  /// Whether to begin with what is known: all, or as much as has come within the grace, so that hosts are
  /// tried in their order where nothing hangs.
  [[nodiscard]] bool may_begin() const;

  static constexpr Duration kGrace = std::chrono::milliseconds(300);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::vector<std::shared_ptr<LookUps::Told>> told_;
  std::optional<Error> error_;
};

}  // namespace pgcurfew
