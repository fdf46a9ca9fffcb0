#include "watch/outbox.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace pgcurfew {

namespace {

/// Takes from the front while `may_go`: an order never overtakes an earlier one.
template <class MayGo>
std::vector<Outbox::Waiting> take_while(std::deque<Outbox::Waiting>& waiting, MayGo may_go) {
  std::vector<Outbox::Waiting> taken;
  while (!waiting.empty() && may_go(waiting.front())) {
    taken.push_back(std::move(waiting.front()));
    waiting.pop_front();
  }
  return taken;
}

}  // namespace

const std::string& Outbox::Waiting::decision() const {
  const auto* signal = std::get_if<Order>(&order);
  return signal != nullptr ? signal->decision : std::get<GateOrder>(order).id;
}

std::vector<Outbox::Waiting> Outbox::take_unwanted(const std::function<bool(const Waiting&)>& is_wanted) {
  const auto unwanted = std::stable_partition(waiting_.begin(), waiting_.end(), is_wanted);
  std::vector<Waiting> taken(std::make_move_iterator(unwanted), std::make_move_iterator(waiting_.end()));
  waiting_.erase(unwanted, waiting_.end());
  return taken;
}

std::vector<Outbox::Waiting> Outbox::take_recorded(std::uint64_t recorded) {
  return take_while(waiting_, [&](const Waiting& waiting) { return waiting.intent <= recorded; });
}

std::vector<Outbox::Waiting> Outbox::take_overdue(MonotonicTime now, Duration patience) {
  return take_while(waiting_, [&](const Waiting& waiting) { return waiting.since + patience <= now; });
}

}  // namespace pgcurfew
