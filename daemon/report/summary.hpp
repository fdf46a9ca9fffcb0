#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "report/counts.hpp"
#include "report/history.hpp"

namespace pgcurfew {

/// What one rule, or one drain, has done in one mode.
///
/// Counts are of episodes, unless they say otherwise. Each episode counts once in `cancelled`, `terminated`,
/// `only_alerted` or `not_acted`, by the strongest step that was taken, and once in `ends`. A step is taken
/// if its outcome is `signalled`, `would_signal` or `alerted`; a step with `if_still` counts in `if_still`
/// alone.
struct RuleSummary {
  bool is_drain = false;
  std::string name;
  std::string mode;   ///< `enforce` or `dry-run`
  std::string clock;  ///< of the latest decision that has one
  std::optional<double> limit_s;
  WallTime first{};  ///< the first and the latest decision
  WallTime last{};
  std::uint64_t decisions = 0;  ///< the number of decisions
  std::uint64_t episodes = 0;
  std::uint64_t sessions = 0;  ///< the number of sessions; of the first 100,000

  std::map<std::string, std::uint64_t> outcomes;  ///< decisions by outcome; without one: ``
  std::map<std::string, std::uint64_t> effects;   ///< decisions by effect
  std::map<std::string, std::uint64_t> ends;      ///< without one: ``

  std::uint64_t cancelled = 0;  ///< in a dry run: would have been
  std::uint64_t terminated = 0;
  std::uint64_t only_alerted = 0;
  std::uint64_t not_acted =
      0;  ///< each step found that the session had changed, was denied, or has no outcome
  std::uint64_t if_still = 0;  ///< of a dry run: a later step came due, too

  /// Ended `by_itself` or `gone`, after a step and before the next one of the ladder was due.
  std::uint64_t within_grace = 0;
  /// Ended `by_itself` or `gone` after the last step of the ladder, or after the next one was due: the time
  /// since the first signal that was sent, or would have been; without one since the first alert.
  Durations lived_on;
  /// Of those in `lived_on`: the next step was due and was not even tried: a bound, a hold or an outage has
  /// prevented it, or the rule itself.
  std::uint64_t held_back = 0;
  /// The greatest age that is known: at the latest decision, or that at the first step plus the time until
  /// the end.
  double longest_age_s = 0;
  std::string longest_decision;  ///< of that episode; empty: no decision had an age

  NameCounts users;
  NameCounts databases;
  NameCounts application_names;
  NameCounts servers;
  /// By the wait_event_type at the first decision.
  NameCounts wait_event_types;
  /// By `query_id`, or by the redacted text where there is none; the entry's text is the redacted text.
  NameCounts queries;
  std::array<std::uint64_t, 24> hours{};  ///< by the hour of the first decision

  std::uint64_t blockers = 0;          ///< in which others waited for the session
  std::uint64_t blocked_sessions = 0;  ///< the number of these, at the worst decision of each episode
  std::uint64_t most_blocked = 0;
  NameCounts longest_waiters;  ///< `user (application_name)` of the session that had waited longest then

  std::uint64_t unkillable = 0;
  std::uint64_t repeats = 0;  ///< the number of these events, as of the following
  std::uint64_t superseded = 0;
  std::uint64_t skipped = 0;
  std::uint64_t spared_blockers = 0;
};

/// Whether an entry of `queries` is for a query_id, which is its name; otherwise its name begins its text.
inline bool has_query_id(const NameCounts::Entry& query) {
  return !query.text.starts_with(query.name);
}

/// Sums up a record, rule by rule. Keeps no more than the episodes that have not ended yet.
class Summary {
 public:
  using Json = History::Json;

  struct Filter {
    /// Whether a decision (as History has it), or an event about a rule, is asked for.
    std::function<bool(const Json&)> decision;
    /// Whether an event of a server is.
    std::function<bool(const Json&)> of_server;
    /// The period, for not_running_s().
    WallTime since{};
    WallTime until{};
  };

  /// `hour_of`: the hour of the day of a time, from 0 to 23.
  Summary(Filter filter, std::function<int(WallTime)> hour_of)
      : filter_(std::move(filter)), hour_of_(std::move(hour_of)) {}

  /// Takes the next line of the record. An episode counts if at least one of its decisions is asked for: its
  /// steps and its end are then those of the whole episode, its `decisions` and `outcomes` of those asked
  /// for.
  void take(std::string_view line);

  /// Counts the episodes that have no end. To be called once, after the last line.
  void finish();

  /// Rules before drains, each by name, its dry run before its enforcement.
  [[nodiscard]] std::vector<const RuleSummary*> rules() const;
  [[nodiscard]] std::uint64_t decisions() const;
  [[nodiscard]] std::uint64_t episodes() const;
  /// How often a bound of `safety` was met, by mode.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& breakers_opened() const {
    return breakers_opened_;
  }
  /// How long in the period no daemon ran, as far as the record shows: after a crash from its last event on.
  [[nodiscard]] double not_running_s() const { return not_running_s_; }
  /// What kept pgcurfew from acting, and has ended in the period.
  enum class Outage { kServerDown, kLooksFail, kRequiredRecord };
  /// *Units*: seconds, by kind and server; the record has none.
  [[nodiscard]] const std::map<std::pair<Outage, std::string>, double>& outages() const { return outages_; }

 private:
  struct Open {
    History history;
    std::uint64_t repeats = 0;
  };
  struct Counted {
    RuleSummary summary;
    std::unordered_set<std::size_t> sessions;  ///< their hashes
  };
  /// Server, episode, rule and drain.
  using Key = std::tuple<std::string, std::string, std::string, std::string>;
  static Key key_of(const Json& event);

  Counted& rule_of(const Json& event);
  void note_event_of_rule(const Json& event, std::string_view kind);
  void take_of_episode(const Json& event, std::string_view kind);
  void close(const Open& open, const Json* ended);
  void follow_daemon(const Json& event, std::string_view kind);
  void note_outage(const Json& event, std::string_view kind);
  void add_gap(WallTime from, WallTime to);

  Filter filter_;
  std::function<int(WallTime)> hour_of_;
  std::map<Key, Open> open_;
  std::map<std::string, Key> open_by_decision_;
  std::map<std::tuple<bool, std::string, std::string>, Counted> rules_;  ///< is a drain, name, mode
  std::map<std::string, std::uint64_t> breakers_opened_;
  std::map<std::pair<Outage, std::string>, double> outages_;
  bool is_record_required_ = false;  ///< at its last failure
  std::string run_;                  ///< of the daemon that has started last
  WallTime last_of_run_{};
  bool has_stopped_ = false;
  double not_running_s_ = 0;
};

}  // namespace pgcurfew
