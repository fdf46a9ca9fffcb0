#include "cli/windows.hpp"

#include <chrono>
#include <cstdio>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "cli/configuration.hpp"
#include "cli/exit_code.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

namespace {

using Json = nlohmann::ordered_json;

/// What is open for so long does not close.
constexpr Duration kYear = std::chrono::hours(24 * 365);

ServerTime system_time() {
  constexpr std::chrono::sys_days kEpoch = std::chrono::year(2000) / 1 / 1;
  return ServerTime(std::chrono::floor<Duration>(std::chrono::system_clock::now() - kEpoch));
}

/// The next stretches from `now` on, at most `count`; one that goes on for a year is the last.
std::vector<Interval> next_stretches(const Hours& hours, ServerTime now, std::size_t count) {
  std::vector<Interval> stretches;
  auto time = now;
  while (stretches.size() < count) {
    auto stretch = hours.next_open(time);
    if (!stretch) break;
    // a long one comes in pieces
    while (stretch->end - stretch->start < kYear) {
      const auto more = hours.next_open(stretch->end);
      if (!more || more->start != stretch->end) break;
      stretch->end = more->end;
    }
    stretches.push_back(*stretch);
    if (stretch->end - stretch->start >= kYear) break;
    time = stretch->end;
  }
  return stretches;
}

const TimeZone& zone_of(const Hours& hours) {
  return hours.during.empty() ? hours.not_during.front().zone : hours.during.front().zone;
}

bool never_closes(const Interval& stretch) {
  return stretch.end - stretch.start >= kYear;
}

void print(const Rule& rule, const std::vector<Interval>& stretches, ServerTime now) {
  const auto& zone = zone_of(rule.hours);
  fmt::print("rule {} ({})\n", rule.name, zone.name());
  if (stretches.empty()) fmt::print("  never open within a year\n");
  for (const auto& stretch : stretches) {
    const bool is_open = stretch.start <= now;
    const auto when = is_open ? "open now" : "in " + to_rough_text(stretch.start - now);
    const auto start = zone.to_text(stretch.start);
    if (never_closes(stretch)) {
      fmt::print("  {}, and does not close within a year\n",
                 is_open ? when : fmt::format("{}  {}", start, when));
      continue;
    }
    fmt::print("  {:<24} - {}  {}, {} {}\n", is_open ? "now" : start, zone.to_text(stretch.end), when,
               is_open ? "for another" : "for", to_rough_text(stretch.end - stretch.start));
  }
}

std::string iso_text(ServerTime time) {
  auto text = to_text(std::chrono::floor<std::chrono::seconds>(time)).substr(0, 19);
  text[10] = 'T';
  return text + "Z";
}

Json json_of(const Rule& rule, const std::vector<Interval>& stretches, ServerTime now) {
  const auto& zone = zone_of(rule.hours);
  Json json;
  json["rule"] = rule.name;
  json["timezone"] = zone.name();
  json["open_now"] = !stretches.empty() && stretches.front().start <= now;
  json["open"] = Json::array();
  for (const auto& stretch : stretches) {
    Json entry;
    entry["start"] = iso_text(stretch.start);
    entry["end"] = never_closes(stretch) ? Json(nullptr) : Json(iso_text(stretch.end));
    entry["start_local"] = zone.to_text(stretch.start);
    entry["end_local"] = never_closes(stretch) ? Json(nullptr) : Json(zone.to_text(stretch.end));
    entry["opens_in_s"] = std::chrono::floor<std::chrono::seconds>(stretch.start - now).count();
    json["open"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace

int show_windows(const WindowsOptions& options) {
  const auto loaded = read_any(options.file);
  for (const auto& diagnostic : loaded.diagnostics) fmt::print(stderr, "{}", render(diagnostic));
  if (loaded.has_errors()) return kExitConfiguration;
  const auto now = system_time();
  bool any = false;
  auto all = Json::array();
  for (const auto& rule : loaded.policy->rules) {
    if (rule.hours.is_empty()) continue;
    any = true;
    const auto stretches = next_stretches(rule.hours, now, options.next);
    if (options.json) {
      all.push_back(json_of(rule, stretches, now));
    } else {
      print(rule, stretches, now);
    }
  }
  if (options.json) fmt::print("{}\n", all.dump(2, ' ', true, Json::error_handler_t::replace));
  if (!any && !options.json) fmt::print("no rule has hours: each is in force all the time\n");
  return kExitOk;
}

}  // namespace pgcurfew
