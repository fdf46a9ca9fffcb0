#include "policy/fingerprint.hpp"

#include <cstdint>
#include <variant>

#include <fmt/format.h>

#include "policy/condition.hpp"

namespace pgcurfew {

namespace {

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

/// The text with its length before it, so that different lists of texts never look the same.
void append(std::string& all, std::string_view text) {
  all += fmt::format("{}:{};", text.size(), text);
}

void append(std::string& all, const Match& match);

void append(std::string& all, const BlocksTest& test) {
  append(all, fmt::format("blocks {} {}", test.at_least, test.waiter ? "whom" : "any"));
  if (test.waiter) append(all, *test.waiter);
}

void append(std::string& all, const Match& match) {
  append(all, fmt::format("match {} {}", match.conditions.size(), match.ages.size()));
  for (const auto& condition : match.conditions) {
    if (const auto* blocks = std::get_if<BlocksTest>(&condition.test)) {
      append(all, *blocks);
      continue;
    }
    const auto values = values_of(condition);
    append(all, fmt::format("{} {}", entry_of(condition.field).name, values.size()));
    for (const auto& value : values) append(all, value);
  }
  for (const auto& age : match.ages) append(all, fmt::format("{} {}", name_of(age.clock), age.limit.count()));
}

void append(std::string& all, const Selection& selection) {
  append(all, fmt::format("per {}", selection.per.size()));
  for (const auto field : selection.per) append(all, entry_of(field).name);
  append(all,
         fmt::format("keep {} {} at_most {} pause {}", selection.keep.value_or(0), name_of(selection.victims),
                     selection.at_most.value_or(0), selection.pause.count()));
}

void append(std::string& all, const std::vector<Window>& windows) {
  append(all, fmt::format("windows {}", windows.size()));
  for (const auto& window : windows) {
    append(all, fmt::format("{} {} {}", window.days.to_string(), window.from.count(), window.to.count()));
    append(all, window.zone.name());
  }
}

/// Where, when, how many and how often.
void append_circumstances(std::string& all, const Rule& rule) {
  append(all, fmt::format("servers {}", rule.servers.size()));
  for (const auto& server : rule.servers) append(all, server);
  append(all, rule.selection);
  append(all, fmt::format("when {} {}", rule.when.connections_used.value_or(0),
                          rule.when.role ? name_of(*rule.when.role) : "either"));
  append(all, rule.hours.during);
  append(all, rule.hours.not_during);
  if (!rule.repeat) return;
  append(all, fmt::format("repeat {} {} {} {}", rule.repeat->times, rule.repeat->within.count(),
                          entry_of(rule.repeat->per).name, name_of(rule.repeat->then)));
}

}  // namespace

std::string digest_of(const std::vector<Match>& protect) {
  std::string all;
  for (const auto& match : protect) append(all, match);
  return fmt::format("{:016x}", fnv1a(all));
}

std::string fingerprint_of(const Rule& rule, std::string_view protect) {
  std::string all;
  append(all, rule.name);
  append(all, name_of(rule.mode));
  append(all, rule.match);
  append(all, fmt::format("except {}", rule.except.size()));
  for (const auto& exception : rule.except) append(all, exception.match);
  append(all, fmt::format("escalate {}", rule.escalate.size()));
  for (const auto& step : rule.escalate) {
    append(all, fmt::format("{} {}", name_of(step.kind), step.after.count()));
  }
  append_circumstances(all, rule);
  append(all, protect);
  return fmt::format("{:016x}", fnv1a(all));
}

std::string fingerprint_of(const Drain& drain) {
  std::string all;
  append(all, drain.name);
  append(all, name_of(drain.mode));
  append(all, fmt::format("servers {}", drain.servers.size()));
  for (const auto& server : drain.servers) append(all, server);
  append(all, fmt::format("databases {}", drain.databases.size()));
  for (const auto& pattern : drain.databases) append(all, pattern.written());
  const auto* schedule = std::get_if<CronSchedule>(&drain.begins);
  append(all, schedule != nullptr
                  ? schedule->written()
                  : fmt::format("at {}", std::get<ServerTime>(drain.begins).time_since_epoch().count()));
  append(all, drain.zone.name());
  append(all, fmt::format("duration {} announce {}", drain.duration.count(), drain.announce.size()));
  for (const auto time : drain.announce) append(all, fmt::format("{}", time.count()));
  append(all, fmt::format("gate {} {}", name_of(drain.gate), name_of(drain.pgbouncer_gate)));
  append(all, drain.pgbouncer_conninfo);
  for (const auto& pool : drain.pools) append(all, "pool " + pool.written());
  append(all, fmt::format("except {}", drain.except.size()));
  for (const auto& exception : drain.except) append(all, exception.match);
  append(all, fmt::format("wait {} escalate {}", drain.wait.count(), drain.escalate.size()));
  for (const auto& step : drain.escalate) {
    append(all, fmt::format("{} {}", name_of(step.kind), step.after.count()));
  }
  append(all, fmt::format("latecomers {} reopens {}", drain.terminates_latecomers, drain.reopens));
  if (drain.give_up) {
    append(all, fmt::format("give_up {} {}", drain.give_up->after.count(), name_of(drain.give_up->then)));
  }
  return fmt::format("{:016x}", fnv1a(all));
}

std::string version_of(std::span<const std::string_view> texts) {
  std::string all;
  for (const auto text : texts) append(all, text);
  return fmt::format("{:016x}", fnv1a(all)).substr(0, 12);
}

}  // namespace pgcurfew
