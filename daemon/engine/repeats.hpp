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

/// Whom a rule counts together: those with the same value in the field that `repeat` names.
struct RepeatKey {
  std::string rule;
  std::string value;  ///< a stranger's bytes
  auto operator<=>(const RepeatKey&) const = default;
};

/// Nothing where the rule has no `repeat`, or the session a NULL there.
std::optional<RepeatKey> repeat_key_of(const Rule& rule, const Session& session);

/// Counts how often a rule has acted on the same kind of session: a client that sends the cancelled query
/// again at once. *Shapes*: at most kMostKeys at a time (those that acted longest ago go first), and of each
/// no more than `times`.
class Repeats {
 public:
  static constexpr std::size_t kMostKeys = 10'000;

  /// A signal has left (or would have). Gives how many there were within the time, if that is now the number
  /// that the rule asks for and it was not said in this time before.
  std::optional<std::size_t> note(const RepeatKey& key, const Repeat& repeat, MonotonicTime now);

  /// How often it was within the time.
  [[nodiscard]] std::size_t times(const RepeatKey& key, const Repeat& repeat, MonotonicTime now) const;

  /// Whether the number is reached.
  [[nodiscard]] bool is_reached(const RepeatKey& key, const Repeat& repeat, MonotonicTime now) const;

  /// Until when the rule pauses for those (`then: pause`); nothing if it does not.
  [[nodiscard]] std::optional<MonotonicTime> paused_until(const RepeatKey& key, MonotonicTime now) const;

  /// Forgets the counts of all rules but those.
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
