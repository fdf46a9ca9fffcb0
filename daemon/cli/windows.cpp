#include "cli/windows.hpp"

#include <chrono>
#include <optional>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/configuration.hpp"
#include "app/exit_code.hpp"
#include "app/wall_clock.hpp"
#include "base/duration.hpp"
#include "base/words.hpp"
#include "cli/diagnostics.hpp"
#include "cli/printing.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

namespace {

using Json = nlohmann::ordered_json;

/// Hours that are open for this long are treated as never closing.
constexpr Duration kYear = std::chrono::hours(24 * 365);

/// The next stretches from `now` on, at most `count`; one that goes on for a year is the last.
std::vector<Interval> next_stretches(const Hours& hours, ServerTime now, std::size_t count) {
  std::vector<Interval> stretches;
  auto time = now;
  while (stretches.size() < count) {
    auto stretch = hours.next_open(time);
    if (!stretch) break;
    // a long one is returned in pieces
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

void print_one(const Rule& rule, const std::vector<Interval>& stretches, ServerTime now) {
  const auto& zone = zone_of(rule.hours);
  print("rule {} ({})\n", rule.name, zone.name());
  if (stretches.empty()) print("  never open within a year\n");
  for (const auto& stretch : stretches) {
    const bool is_open = stretch.start <= now;
    const auto when = is_open ? "open now" : "in " + to_rough_text(stretch.start - now);
    const auto start = zone.to_text(stretch.start);
    if (never_closes(stretch)) {
      print("  {}, and does not close within a year\n", is_open ? when : fmt::format("{}  {}", start, when));
      continue;
    }
    print("  {:<24} - {}  {}, {} {}\n", is_open ? "now" : start, zone.to_text(stretch.end), when,
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

// -- drains ----------------------------------------------------------------------------------------------

/// The window under way, and the next ones; at most `count`.
std::vector<Interval> next_windows(const Drain& drain, ServerTime now, std::size_t count) {
  std::vector<Interval> windows;
  auto next = window_after(drain, now - drain.duration);
  while (next && windows.size() < count) {
    windows.push_back(*next);
    next = window_after(drain, next->start);
  }
  return windows;
}

/// The past window of a drain that does not repeat.
std::optional<Interval> past_window(const Drain& drain) {
  const auto* begins = std::get_if<ServerTime>(&drain.begins);
  return begins == nullptr ? std::nullopt : std::optional(Interval{*begins, *begins + drain.duration});
}

void print_one(const Drain& drain, const std::vector<Interval>& windows, ServerTime now) {
  print("drain {} ({})\n", drain.name, drain.zone.name());
  if (windows.empty()) {
    const auto past = past_window(drain);
    print("  {}\n",
          past ? fmt::format("past: it began {}, and does not run again", drain.zone.to_text(past->start))
               : "does not run within eight years");
  }
  for (const auto& window : windows) {
    const bool is_under_way = window.start <= now;
    print("  {:<24} - {}  {}, {} {}\n", drain.zone.to_text(window.start), drain.zone.to_text(window.end),
          is_under_way ? "under way" : "in " + to_rough_text(window.start - now),
          is_under_way ? "for another" : "for",
          to_rough_text(window.end - (is_under_way ? now : window.start)));
  }
}

Json json_of(const Drain& drain, const Interval& window, ServerTime now) {
  Json entry;
  entry["start"] = iso_text(window.start);
  entry["end"] = iso_text(window.end);
  entry["start_local"] = drain.zone.to_text(window.start);
  entry["end_local"] = drain.zone.to_text(window.end);
  entry["begins_in_s"] = std::chrono::floor<std::chrono::seconds>(window.start - now).count();
  return entry;
}

Json json_of(const Drain& drain, const std::vector<Interval>& windows, ServerTime now) {
  Json json;
  json["drain"] = drain.name;
  json["timezone"] = drain.zone.name();
  json["under_way"] = !windows.empty() && windows.front().start <= now;
  const auto past = windows.empty() ? past_window(drain) : std::nullopt;
  json["past"] = past ? json_of(drain, *past, now) : Json(nullptr);
  json["windows"] = Json::array();
  for (const auto& window : windows) json["windows"].push_back(json_of(drain, window, now));
  return json;
}

}  // namespace

int show_windows(const WindowsOptions& options) {
  const auto loaded = read_any(options.file);
  print_diagnostics(loaded);
  if (loaded.has_errors()) return kExitConfiguration;
  const auto now = wall_clock();
  bool any = false;
  auto all = Json::array();
  const auto show = [&](const auto& item, const std::vector<Interval>& stretches) {
    any = true;
    if (options.json) {
      all.push_back(json_of(item, stretches, now));
    } else {
      print_one(item, stretches, now);
    }
  };
  for (const auto& rule : loaded.policy->rules) {
    if (!rule.hours.is_empty()) show(rule, next_stretches(rule.hours, now, options.next));
  }
  for (const auto& drain : loaded.policy->drains) show(drain, next_windows(drain, now, options.next));
  if (options.json) print("{}\n", all.dump(2, ' ', true, Json::error_handler_t::replace));
  if (!any && !options.json) print("no rule has hours: each is in force all the time; there are no drains\n");
  return kExitOk;
}

}  // namespace pgcurfew
