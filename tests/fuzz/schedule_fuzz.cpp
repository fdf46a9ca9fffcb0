// Drains: the lines are schedule, at, timezone and duration of one; an empty line leaves its key out. A
// schedule that is taken is written so that it reads back to the same, and goes forward in time.
#include <fmt/format.h>

#include "fuzz.hpp"
#include "policy/advice/drain_overlaps.hpp"
#include "policy/prose/describe_drain.hpp"
#include "policy/reader/load.hpp"

namespace {

using namespace pgcurfew;
using fuzz::require;

/// Some day in 2026.
constexpr ServerTime kSomeTime{std::chrono::hours(24 * 365 * 26)};

std::string drain_of(std::string_view name, std::string_view keys) {
  return fmt::format("- name: {}\n  databases: [ a, 'b*' ]\n  escalate: [ terminate ]\n{}", name, keys);
}

LoadResult load(const std::string& drains) {
  const Source source{"x.yaml", "drains:\n" + drains};
  return load_drop_in(source);
}

void check(const CronSchedule& schedule, const TimeZone& zone) {
  const auto again = CronSchedule::parse(schedule.written());
  require(again.has_value() && again->written() == schedule.written(),
          "what is written reads back to the same");
  auto time = kSomeTime;
  for (int i = 0; i < 20; ++i) {
    const auto next = schedule.next_after(time, zone);
    require(next.has_value(), "a schedule that is taken comes");
    require(*next > time, "it goes forward");
    require(again->next_after(time, zone) == next, "both mean the same");
    time = *next;
  }
}

void check(const Drain& drain) {
  require(drain.duration >= std::chrono::minutes(1) && drain.duration <= std::chrono::hours(24 * 7),
          "a duration is in its bounds");
  require(fuzz::is_harmless(sentence_of(drain, kSomeTime)), "a sentence is harmless");
  if (const auto* schedule = std::get_if<CronSchedule>(&drain.begins)) check(*schedule, drain.zone);
  const auto next = window_after(drain, kSomeTime);
  if (!next) return;
  require(next->end - next->start == drain.duration, "a window has the drain's duration");
  require(window_at(drain, next->start) == next, "it begins with its beginning");
  require(window_at(drain, next->end - Duration(1)) == next, "it is under way until its end");
  require(window_at(drain, next->end) != next, "it is over at its end");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto rest = fuzz::text_of(data, size);
  std::string keys;
  for (const auto* key : {"schedule", "at", "timezone", "duration"}) {
    const auto line = fuzz::next_part(rest, '\n');
    if (!line.empty()) keys += fmt::format("  {}: {}\n", key, fuzz::quoted(line));
  }
  const auto loaded = load(drain_of("one", keys));
  for (const auto& said : loaded.diagnostics) require(!said.message.empty(), "a diagnostic has a message");
  if (!loaded.policy) return 0;
  for (const auto& drain : loaded.policy->drains) check(drain);
  const auto twice = load(drain_of("one", keys) + drain_of("two", keys));
  require(twice.policy.has_value(), "two of a kind are taken by the loader");
  const auto next = window_after(loaded.policy->drains.front(), kSomeTime);
  const bool comes = next && next->start < kSomeTime + std::chrono::hours(24 * 366);
  const bool overlaps = !find_overlaps(*twice.policy, kSomeTime).empty();
  require(overlaps || !comes, "two of a kind overlap if they come within a year");
  return 0;
}
