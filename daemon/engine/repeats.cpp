#include "engine/repeats.hpp"

#include <algorithm>

namespace pgcurfew {

std::optional<RepeatKey> repeat_key_of(const Rule& rule, const Session& session) {
  if (!rule.repeat) return std::nullopt;
  auto value = value_of(session, rule.repeat->per);
  if (!value) return std::nullopt;
  return RepeatKey{rule.name, std::move(*value)};
}

std::optional<std::size_t> Repeats::note(const RepeatKey& key, const Repeat& repeat, MonotonicTime now) {
  if (!counts_.contains(key)) make_room();
  auto& count = counts_[key];
  count.acted.push_back(now);
  while (count.acted.size() > repeat.times || count.acted.front() + repeat.within <= now)
    count.acted.pop_front();
  if (count.acted.size() < repeat.times) return std::nullopt;
  if (repeat.then == RepeatAction::kPause) {
    count.paused_until = now + repeat.within;
    count.acted.clear();
    return repeat.times;
  }
  if (count.told_until && now < *count.told_until) return std::nullopt;
  count.told_until = now + repeat.within;
  return repeat.times;
}

std::size_t Repeats::times(const RepeatKey& key, const Repeat& repeat, MonotonicTime now) const {
  const auto found = counts_.find(key);
  if (found == counts_.end()) return 0;
  const auto& acted = found->second.acted;
  return static_cast<std::size_t>(std::count_if(
      acted.begin(), acted.end(), [&](MonotonicTime time) { return time + repeat.within > now; }));
}

bool Repeats::is_reached(const RepeatKey& key, const Repeat& repeat, MonotonicTime now) const {
  return times(key, repeat, now) >= repeat.times;
}

std::optional<MonotonicTime> Repeats::paused_until(const RepeatKey& key, MonotonicTime now) const {
  const auto found = counts_.find(key);
  if (found == counts_.end() || !found->second.paused_until || *found->second.paused_until <= now)
    return std::nullopt;
  return found->second.paused_until;
}

void Repeats::make_room() {
  if (counts_.size() < kMostKeys) return;
  const auto last = [](const Count& count) {
    const auto acted = count.acted.empty() ? MonotonicTime::min() : count.acted.back();
    return std::max(acted, count.paused_until.value_or(MonotonicTime::min()));
  };
  const auto stalest = std::min_element(counts_.begin(), counts_.end(), [&](const auto& a, const auto& b) {
    return last(a.second) < last(b.second);
  });
  counts_.erase(stalest);
}

}  // namespace pgcurfew
