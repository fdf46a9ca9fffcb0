#include "report/tally.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include "events/fields.hpp"

namespace pgcurfew {

namespace {

template <class T>
const T* value_in(const Event& event, EventField<T> wanted) {
  for (const auto& [name, value] : event.fields) {
    if (name == wanted.name) return std::get_if<T>(&value);
  }
  return nullptr;
}

std::string value_or_empty(const Event& event, EventField<std::string> wanted) {
  const auto* value = value_in(event, wanted);
  return value == nullptr ? std::string() : *value;
}

Tally::Claimed claimed_in(const Event& event) {
  const auto* drain = value_in(event, field::kDrain);
  return {event.server, drain != nullptr, drain != nullptr ? *drain : value_or_empty(event, field::kRule),
          value_or_empty(event, field::kMode)};
}

Tally::Claimed& claimed_of(Tally::Claimed& key) {
  return key;
}

template <class Key>
Tally::Claimed& claimed_of(Key& key) {
  return key.of;
}

template <class Key>
void count(std::map<Key, std::uint64_t>& counts, Key key) {
  if (counts.size() >= Tally::kMostCounts && !counts.contains(key)) claimed_of(key).claimant = Tally::kOthers;
  ++counts[std::move(key)];
}

}  // namespace

void Tally::take(const Event& event) {
  ++events[static_cast<std::size_t>(event.kind)];
  switch (event.kind) {
    case Kind::kIntent:
    case Kind::kSuperseded: {
      const auto episode = value_or_empty(event, field::kEpisode);
      if (episode.empty() || episode != value_or_empty(event, field::kDecision)) return;
      count(episodes, claimed_in(event));
      return;
    }
    case Kind::kOutcome: {
      // what a dry run only rehearses past its first would-be effect is counted nowhere
      if (const auto* if_still = value_in(event, field::kIfStill); if_still != nullptr && *if_still)
        return note_action(event);
      count(outcomes, Outcome{claimed_in(event), value_or_empty(event, field::kStep),
                              value_or_empty(event, field::kOutcome)});
      return note_action(event);
    }
    case Kind::kEnded: {
      count(ends, Ended{claimed_in(event), value_or_empty(event, field::kEnd)});
      [[fallthrough]];
    }
    case Kind::kVerified: {
      const auto decision = value_or_empty(event, field::kDecision);
      const auto action = std::find_if(actions.begin(), actions.end(),
                                       [&](const Action& one) { return one.decision == decision; });
      if (action == actions.end()) return;
      (event.kind == Kind::kEnded ? action->end : action->effect) =
          value_or_empty(event, event.kind == Kind::kEnded ? field::kEnd : field::kEffect);
      return;
    }
    default:
      return;
  }
}

void Tally::note_action(const Event& event) {
  const auto claimed = claimed_in(event);
  Action action;
  action.at = event.wall_time;
  action.level = event.level;
  action.server = event.server;
  action.is_drain = claimed.is_drain;
  action.claimant = claimed.claimant;
  action.mode = claimed.mode;
  action.decision = value_or_empty(event, field::kDecision);
  action.step = value_or_empty(event, field::kStep);
  action.outcome = value_or_empty(event, field::kOutcome);
  if (const auto* pid = value_in(event, field::kPid)) action.pid = *pid;
  action.database = value_or_empty(event, field::kDatabase);
  action.user = value_or_empty(event, field::kUser);
  action.message = event.message;
  action.clock = value_or_empty(event, field::kClock);
  if (const auto* age = value_in(event, field::kAgeS)) action.age = *age;
  if (const auto* limit = value_in(event, field::kLimitS)) action.limit = *limit;
  actions.push_front(std::move(action));
  if (actions.size() > kMostActions) actions.pop_back();
}

}  // namespace pgcurfew
