#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "drains/gate.hpp"
#include "engine/order.hpp"

namespace pgcurfew {

/// Orders that wait until their intents are in the record, in the order in which they were made.
class Outbox {
 public:
  /// `intent`: the number of the event that has to be in the record before.
  struct Waiting {
    std::variant<Order, GateOrder> order;
    std::uint64_t intent = 0;
    MonotonicTime since{};

    /// The id that joins the order to its intent.
    [[nodiscard]] const std::string& decision() const;
  };

  void put(std::variant<Order, GateOrder> order, std::uint64_t intent, MonotonicTime now) {
    waiting_.push_back({std::move(order), intent, now});
  }

  /// Takes the orders whose intents are among the first `recorded` events.
  std::vector<Waiting> take_recorded(std::uint64_t recorded);

  /// Takes the orders that have waited for `patience`.
  std::vector<Waiting> take_overdue(MonotonicTime now, Duration patience);

  /// When the first order will have waited for `patience`; empty if none waits.
  [[nodiscard]] std::optional<MonotonicTime> overdue_at(Duration patience) const {
    return waiting_.empty() ? std::nullopt : std::optional(waiting_.front().since + patience);
  }

  /// Takes the orders that are not wanted any more.
  std::vector<Waiting> take_unwanted(const std::function<bool(const Waiting&)>& is_wanted);

  std::vector<Waiting> take_all() { return take_overdue(MonotonicTime::max(), Duration(0)); }

 private:
  std::deque<Waiting> waiting_;
};

}  // namespace pgcurfew
