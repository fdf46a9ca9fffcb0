#pragma once

#include <compare>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/time.hpp"
#include "engine/session.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// The sessions that a rule counts together: those with the same value in the field that `repeat` names.
struct RepeatKey {
  std::string rule;
  std::string value;  ///< may be any bytes
  auto operator<=>(const RepeatKey&) const = default;
};

/// Empty if the rule has no `repeat`, or the session has a NULL there.
std::optional<RepeatKey> repeat_key_of(const Rule& rule, const Session& session);

/// Counts how often a rule has acted on the same kind of session: a client that sends the cancelled query
/// again at once.
/// *Shapes*: at most kMostKeys at a time (the least recent are dropped first), and at most `times` actions
/// for each.
class Repeats {
 public:
  static constexpr std::size_t kMostKeys = 10'000;

  /// Counts a signal that was sent (or would have been). Returns the number within the time if it has now
  /// reached the rule's `times` and was not reported within this time before.
  std::optional<std::size_t> note(const RepeatKey& key, const Repeat& repeat, MonotonicTime now);

  /// The number of actions within the time.
  [[nodiscard]] std::size_t times(const RepeatKey& key, const Repeat& repeat, MonotonicTime now) const;

  /// Whether the number is reached.
  [[nodiscard]] bool is_reached(const RepeatKey& key, const Repeat& repeat, MonotonicTime now) const;

  /// Until when the rule pauses for these sessions (`then: pause`); empty if it does not.
  [[nodiscard]] std::optional<MonotonicTime> paused_until(const RepeatKey& key, MonotonicTime now) const;

  /// Forgets the counts of all other rules.
  template <class Keep>
  void keep_only(const Keep& keep) {
    std::erase_if(counts_, [&](const auto& entry) { return !keep(entry.first.rule); });
  }

  [[nodiscard]] std::size_t size() const { return counts_.size(); }

 private:
  struct Count {
    std::deque<MonotonicTime> acted;  ///< oldest first
    std::optional<MonotonicTime> told_until;
    std::optional<MonotonicTime> paused_until;
  };
  void make_room();

  std::map<RepeatKey, Count> counts_;
};

}  // namespace pgcurfew
