#include "policy/reader/hours_reader.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/grammar/synonyms.hpp"
#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::array<std::string_view, 7> kDays{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr std::string_view kWindowExample =
    "Hours are written as in { days: [mon-fri], from: \"08:00\", to: \"18:00\" }.";
constexpr std::string_view kDayHint =
    "Days are mon, tue, wed, thu, fri, sat and sun, or a range such as mon-fri.";
constexpr Duration kWholeDay = std::chrono::hours(24);

std::optional<std::size_t> find_day(std::string_view name) {
  const auto found = std::find(kDays.begin(), kDays.end(), name);
  return found == kDays.end() ? std::nullopt : std::optional<std::size_t>(found - kDays.begin());
}

/// `mon`, `mon-fri`, `fri-mon`.
std::optional<std::bitset<7>> parse_days(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = find_day(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : find_day(text.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  std::bitset<7> days;
  for (auto day = *first; day != *last; day = (day + 1) % kDays.size()) days.set(day);
  return days.set(*last);
}

std::optional<std::bitset<7>> read_days(const YamlNode& node, Complaints& complaints) {
  const auto nodes = one_or_many(node, "days", complaints);
  std::bitset<7> days;
  bool is_good = !nodes.empty();
  for (const auto* value : nodes) {
    const auto text = read_text(*value, "days", complaints);
    const auto read = text ? parse_days(*text) : std::nullopt;
    if (read) days |= *read;
    is_good = is_good && read;
    if (!text || read) continue;
    auto hint = did_you_mean(*text, kDays, key_of(Mapping::kWindow, "days").synonyms);
    if (hint.empty()) hint = kDayHint;
    complaints.error(value->at, fmt::format("unknown day \"{}\"", printable(*text, 80)), std::move(hint));
  }
  return is_good ? std::optional(days) : std::nullopt;
}

/// `08:00`.
std::optional<Duration> parse_time_of_day(std::string_view text) {
  const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9' ? text[at] - '0' : -1; };
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  for (const std::size_t at : {0U, 1U, 3U, 4U}) {
    if (digit(at) < 0) return std::nullopt;
  }
  const int minutes = digit(3) * 10 + digit(4);
  if (minutes > 59) return std::nullopt;
  return std::chrono::hours(digit(0) * 10 + digit(1)) + std::chrono::minutes(minutes);
}

std::optional<Duration> read_time_of_day(const YamlNode& node, const KeyEntry& key, Complaints& complaints) {
  const auto text = read_text(node, key.name, complaints);
  if (!text) return std::nullopt;
  const auto time = parse_time_of_day(*text);
  if (!time) {
    complaints.error(node.at, fmt::format("\"{}\" is not a time of day", printable(*text, 80)),
                     "It is written with two digits for the hour and two for the minute, as in \"08:00\".");
    return std::nullopt;
  }
  if (time->count() > key.most) {
    complaints.error(node.at, fmt::format("\"{}\" of {} is out of range", key.name, *text),
                     fmt::format("It takes {}.", range_text_of(key)));
    return std::nullopt;
  }
  return time;
}

std::optional<TimeZone> read_zone_of_hours(const YamlNode& node, const DefaultZone& zone,
                                           Complaints& complaints) {
  if (const auto* name = node.find("timezone")) return read_time_zone(*name, complaints);
  if (zone.is_guessed) {
    complaints.warn(node.at, "the time zone of these hours is that of the main file, which is not known here",
                    "They are shown as if it were UTC; name a timezone to be sure.");
  } else if (!zone.zone) {
    complaints.error(node.at, "these hours have no time zone",
                     "Add timezone: here, or once at the top of the main file for all of them.");
  }
  return zone.zone;
}

std::optional<Window> read_window(const YamlNode& node, const KeyEntry& key, const DefaultZone& zone,
                                  Complaints& complaints) {
  if (!expect_map(node, key.name, kWindowExample, complaints)) return std::nullopt;
  check_keys(node, Mapping::kWindow, complaints);
  Window window;
  window.place = complaints.place(node.at);
  window.days.set();
  window.to = kWholeDay;
  bool is_good = true;
  const auto* days = node.find("days");
  const auto* from = node.find("from");
  const auto* to = node.find("to");
  if (days == nullptr && from == nullptr && to == nullptr && node.find("timezone") != nullptr &&
      node.keys.size() == 1) {
    complaints.error(node.at, "a window has neither days nor from and to", std::string(kWindowExample));
    is_good = false;
  }
  if (days != nullptr) {
    const auto read = read_days(*days, complaints);
    window.days = read.value_or(window.days);
    is_good = is_good && read;
  }
  if (from != nullptr) {
    const auto read = read_time_of_day(*from, key_of(Mapping::kWindow, "from"), complaints);
    window.from = read.value_or(window.from);
    is_good = is_good && read;
  }
  if (to != nullptr) {
    const auto read = read_time_of_day(*to, key_of(Mapping::kWindow, "to"), complaints);
    window.to = read.value_or(window.to);
    is_good = is_good && read;
  }
  const auto read = read_zone_of_hours(node, zone, complaints);
  if (!is_good || !read) return std::nullopt;
  window.zone = *read;
  return window;
}

}  // namespace

std::optional<TimeZone> read_time_zone(const YamlNode& node, Complaints& complaints) {
  const auto name = read_text(node, "timezone", complaints);
  if (!name) return std::nullopt;
  auto zone = TimeZone::load(*name);
  if (!zone) {
    complaints.error(node.at, zone.error());
    return std::nullopt;
  }
  return std::move(*zone);
}

std::vector<Window> read_windows(const YamlNode& node, const KeyEntry& key, const DefaultZone& zone,
                                 Complaints& complaints) {
  std::vector<Window> windows;
  if (node.kind != YamlNode::Kind::kList) {
    if (auto window = read_window(node, key, zone, complaints)) windows.push_back(std::move(*window));
    return windows;
  }
  if (!expect_list(node, key.name, kWindowExample, complaints)) return windows;
  for (const auto& value : node.values) {
    if (auto window = read_window(value, key, zone, complaints)) windows.push_back(std::move(*window));
  }
  return windows;
}

}  // namespace pgcurfew
