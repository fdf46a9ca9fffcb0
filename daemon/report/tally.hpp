#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/time.hpp"
#include "events/event.hpp"

namespace pgcurfew {

/// What has been told since the start, counted, and the last actions. Numbers only grow, whatever a reload
/// changes.
struct Tally {
  static constexpr std::size_t kMostActions = 50;
  /// Rules that reloads have removed are counted on; beyond this number of counts, new ones are kept under
  /// the name kOthers.
  static constexpr std::size_t kMostCounts = 5000;
  static constexpr const char* kOthers = "(others)";

  /// A rule or drain of a server.
  struct Claimed {
    std::string server;
    bool is_drain = false;
    std::string claimant;  ///< the name of the rule or drain
    std::string mode;
    auto operator<=>(const Claimed&) const = default;
  };
  struct Outcome {
    Claimed of;
    std::string step;
    std::string outcome;
    auto operator<=>(const Outcome&) const = default;
  };
  struct Ended {
    Claimed of;
    std::string end;
    auto operator<=>(const Ended&) const = default;
  };

  /// An order that was answered.
  struct Action {
    WallTime at{};
    Level level = Level::kInfo;
    std::string server;
    bool is_drain = false;
    std::string claimant;
    std::string decision;
    std::string mode;
    std::string step;
    std::string outcome;
    std::int64_t pid = 0;
    std::string database;  ///< empty: not known
    std::string user;
    std::string message;
    std::string
        clock;  ///< of the age that was past its limit; empty: the rule has no age, or it is a drain's
    std::optional<Duration> age;
    std::optional<Duration> limit;
    std::string effect;  ///< of `verified`; empty: not known yet
    std::string end;     ///< of the episode; likewise
  };

  void take(const Event& event);

  std::map<Outcome, std::uint64_t> outcomes;
  std::map<Claimed, std::uint64_t> episodes;  ///< begun
  std::map<Ended, std::uint64_t> ends;
  std::array<std::uint64_t, static_cast<std::size_t>(Kind::kStopped) + 1> events{};  ///< by kind
  std::deque<Action> actions;                                                        ///< the last one first

 private:
  void note_action(const Event& event);
};

}  // namespace pgcurfew
