#include "policy/reader/drain_checks.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <variant>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "policy/advice/claims.hpp"

namespace pgcurfew {

namespace {

/// Schedules repeat apart from changes over a year, so any moment will do: this one is in 2026.
constexpr ServerTime kSomeTime{std::chrono::hours(24) * 365 * 26};
constexpr Duration kYear = std::chrono::hours(24) * 400;
/// Enough for each day of a year; a schedule that begins more often repeats long before.
constexpr int kMostBeginnings = 24 * 366;  ///< a year of every hour

/// The shortest time from one beginning to the next; empty if there is no second one.
std::optional<Duration> shortest_period(const CronSchedule& schedule, const TimeZone& zone) {
  std::optional<Duration> shortest;
  const auto first = schedule.next_after(kSomeTime, zone);
  auto time = first;
  for (int i = 0; i < kMostBeginnings && time && *time - *first < kYear; ++i) {
    const auto next = schedule.next_after(*time, zone);
    if (next) shortest = std::min(shortest.value_or(*next - *time), *next - *time);
    time = next;
  }
  return shortest;
}

void check_schedule(const YamlNode& node, const Drain& drain, const CronSchedule& schedule,
                    Complaints& complaints) {
  if (!schedule.next_after(kSomeTime, drain.zone)) {
    complaints.error(node.find("schedule")->at, "this schedule never begins",
                     "There is no such day within eight years.");
    return;
  }
  // in UTC no clock change makes a day shorter than the others
  const auto period = shortest_period(schedule, TimeZone());
  if (!period) return;
  const auto shortest = shortest_period(schedule, drain.zone).value_or(*period);
  if (drain.duration >= *period) {
    complaints.error(node.find("duration")->at,
                     fmt::format("a drain of {} is not over before it begins again, after {}",
                                 to_text(drain.duration), to_text(*period)),
                     "Between two drains the database has to be open.");
  } else if (drain.duration >= shortest) {
    complaints.warn(node.find("duration")->at,
                    fmt::format("when clocks change in {}, a drain of {} begins again after {}",
                                drain.zone.name(), to_text(drain.duration), to_text(shortest)),
                    "The first drain ends then, and the next one begins.");
  }
  const auto* announce = node.find("announce");
  if (announce != nullptr && !drain.announce.empty() && drain.announce.front() >= *period) {
    complaints.warn(
        announce->at,
        fmt::format("{} before this drain is not later than the drain before it: they are {} apart",
                    to_text(drain.announce.front()), to_text(*period)),
        "Each announcement names the beginning that it is about.");
  }
}

Duration time_to_last_step(const Drain& drain) {
  auto time = drain.wait;
  for (const auto& step : drain.escalate) time += step.after;
  return time;
}

void check_steps(const YamlNode& node, const Drain& drain, Complaints& complaints) {
  const auto* escalate = node.find("escalate");
  const auto at = escalate != nullptr ? escalate->at : node.at;
  const bool terminates = std::any_of(drain.escalate.begin(), drain.escalate.end(),
                                      [](const Step& step) { return step.kind == StepKind::kTerminate; });
  if (!terminates && drain.terminates_latecomers) {
    complaints.error(at, "latecomers are terminated, but sessions that are already there are not",
                     "Make terminate the last step, or add while_draining: leave.");
  } else if (!terminates) {
    complaints.warn(at, "no step terminates the remaining sessions, so a database may not become empty");
  }
  const auto last = time_to_last_step(drain);
  if (!drain.escalate.empty() && last >= drain.duration) {
    complaints.error(
        at,
        fmt::format("{} is due after {}, and the drain is over after {}", name_of(drain.escalate.back().kind),
                    to_text(last), to_text(drain.duration)),
        escalate != nullptr
            ? "Shorten for and after, or make the drain longer."
            : "Add escalate: with shorter steps than the default has, or make the drain longer.");
  }
}

void check_give_up(const YamlNode& node, const Drain& drain, Complaints& complaints) {
  if (!drain.give_up) return;
  const auto at = node.find("give_up")->at;
  if (drain.give_up->after >= drain.duration) {
    complaints.warn(at,
                    fmt::format("the drain never gives up: it is over after {}", to_text(drain.duration)));
    return;
  }
  const auto last = time_to_last_step(drain);
  if (drain.escalate.empty() || drain.give_up->then == GiveUpAction::kAlert || drain.give_up->after > last) {
    return;
  }
  complaints.warn(
      at,
      fmt::format("the drain gives up after {}, before {} has had its effect: that step is due after {}",
                  to_text(drain.give_up->after), name_of(drain.escalate.back().kind), to_text(last)),
      "Make it give up later, or shorten for and after in escalate.");
}

void warn_of_exceptions(const YamlNode& node, const Drain& drain, Complaints& complaints) {
  const auto* list = node.find("except");
  for (std::size_t i = 0; i < drain.except.size(); ++i) {
    warn_of_claim(drain.except[i].match, list->values[i].at, "exception", "stay", complaints);
  }
}

}  // namespace

void check_drain(const YamlNode& node, const Drain& drain, Complaints& complaints) {
  if (const auto* schedule = std::get_if<CronSchedule>(&drain.begins)) {
    check_schedule(node, drain, *schedule, complaints);
  }
  check_steps(node, drain, complaints);
  check_give_up(node, drain, complaints);
  warn_of_exceptions(node, drain, complaints);
}

}  // namespace pgcurfew
