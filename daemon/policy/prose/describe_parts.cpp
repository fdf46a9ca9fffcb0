#include "policy/prose/describe_parts.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"

namespace pgcurfew {

namespace {

constexpr std::array<std::string_view, 7> kDays{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr Duration kWholeDay = std::chrono::hours(24);

std::string days_text(const std::bitset<7>& days) {
  if (days.all()) return "every day";
  std::string text;
  for (std::size_t first = 0; first < kDays.size(); ++first) {
    if (!days.test(first)) continue;
    auto last = first;
    while (last + 1 < kDays.size() && days.test(last + 1)) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", kDays[first]);
    if (last > first) text += fmt::format("-{}", kDays[last]);
    first = last;
  }
  return text;
}

std::string time_text(Duration since_midnight) {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(since_midnight).count();
  return fmt::format("{:02}:{:02}", minutes / 60, minutes % 60);
}

/// The time zone after each window, or once after the last if it is the same for all.
std::string windows_text(const std::vector<Window>& windows) {
  std::string text;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const bool is_last = i + 1 == windows.size();
    if (i > 0) text += " or ";
    text += text_of(windows[i]);
    if (is_last || windows[i + 1].zone.name() != windows[i].zone.name()) {
      text += fmt::format(" ({})", windows[i].zone.name());
    }
  }
  return text;
}

std::string group_text(const std::vector<Field>& per) {
  std::string text;
  for (std::size_t i = 0; i < per.size(); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 < per.size() ? ", " : " and ", entry_of(per[i]).name);
  }
  return text;
}

std::string keep_text(const Selection& selection) {
  const auto keep = *selection.keep;
  const auto where = selection.per.empty() ? fmt::format("only if there are more than {} of them", keep)
                                           : fmt::format("only if more than {} of them have the same {}",
                                                         keep, group_text(selection.per));
  if (selection.victims == Victims::kAll) return where + ", and then all of these";
  return fmt::format("{}, and then the {} beyond {}", where, name_of(selection.victims), keep);
}

std::string repeat_text(const Repeat& repeat) {
  const auto per = entry_of(repeat.per).name;
  auto text = fmt::format("once it has acted {} within {} on the same {}, ",
                          repeat.times == 1 ? "once" : fmt::format("{} times", repeat.times),
                          to_text(repeat.within), per);
  switch (repeat.then) {
    case RepeatAction::kTerminate:
      return text + "it terminates at once";
    case RepeatAction::kAlert:
      return text + "it alerts";
    case RepeatAction::kPause:
      break;
  }
  return text + fmt::format("it leaves that {} alone for {}", per, to_text(repeat.within));
}

}  // namespace

std::string text_of(const Window& window) {
  const bool is_whole_day = window.from == Duration::zero() && window.to == kWholeDay;
  if (is_whole_day) return days_text(window.days);
  const bool ends_next_day = window.to <= window.from;
  return fmt::format("{}{}{} to {}{}", window.days.all() ? "" : days_text(window.days),
                     window.days.all() ? "" : " ", time_text(window.from), time_text(window.to),
                     ends_next_day ? " on the next day" : "");
}

std::vector<std::string> circumstances_of(const Rule& rule) {
  std::vector<std::string> parts;
  if (!rule.servers.empty()) {
    auto servers = rule.servers;
    for (auto& server : servers) server = printable(server);
    parts.push_back(fmt::format("only on server {}", or_list(servers)));
  }
  if (rule.when.role) parts.push_back(fmt::format("only on a {}", name_of(*rule.when.role)));
  if (rule.when.connections_used) {
    parts.push_back(fmt::format("only while {:g}% or more of the connections are used",
                                *rule.when.connections_used * 100));
  }
  if (!rule.hours.during.empty()) parts.push_back("only " + windows_text(rule.hours.during));
  if (!rule.hours.not_during.empty()) parts.push_back("not " + windows_text(rule.hours.not_during));
  if (rule.selection.keep) parts.push_back(keep_text(rule.selection));
  if (rule.selection.at_most)
    parts.push_back(fmt::format("at most {} after each look", *rule.selection.at_most));
  if (rule.selection.pause > Duration::zero()) {
    parts.push_back(fmt::format("after each action it pauses for {}", to_text(rule.selection.pause)));
  }
  if (rule.repeat) parts.push_back(repeat_text(*rule.repeat));
  return parts;
}

}  // namespace pgcurfew
