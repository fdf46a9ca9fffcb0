#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/words.hpp"
#include "cli/moment.hpp"
#include "cli/summary.hpp"
#include "report/verdict.hpp"

namespace pgcurfew {

namespace {

constexpr std::size_t kMostShown = 5;
constexpr std::size_t kMostQueries = 10;

void add_line(std::string& text, std::string_view label, std::string_view value) {
  if (!value.empty()) text += fmt::format("  {:<14}{}\n", label, value);
}

std::string names_text(const NameCounts& names) {
  std::vector<std::string> parts;
  std::uint64_t shown = 0;
  for (const auto& entry : names.top(kMostShown)) {
    parts.push_back(
        fmt::format("{} {}", entry.name.empty() ? "(none)" : printable(entry.name, 64), entry.count));
    shown += entry.count;
  }
  if (shown < names.total()) parts.push_back(fmt::format("all others {}", names.total() - shown));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string counts_text(const std::map<std::string, std::uint64_t>& counts, std::string_view none) {
  std::vector<std::string> parts;
  parts.reserve(counts.size());
  for (const auto& [name, count] : counts)
    parts.push_back(fmt::format("{} {}", name.empty() ? std::string(none) : printable(name, 64), count));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string hour_counts_text(const RuleSummary& rule) {
  std::vector<std::string> parts;
  for (std::size_t hour = 0; hour < rule.hours.size(); ++hour) {
    if (rule.hours[hour] > 0) parts.push_back(fmt::format("{:02}:00 {}", hour, rule.hours[hour]));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

void add_queries(std::string& text, const NameCounts& names) {
  std::string_view label = "queries";
  std::uint64_t shown = 0;
  for (const auto& entry : names.top(kMostQueries)) {
    const bool has_id = has_query_id(entry);
    add_line(text, label,
             fmt::format("{}{}{} {}", printable(entry.text, 100), has_id && !entry.text.empty() ? " " : "",
                         has_id ? fmt::format("(query_id {})", printable(entry.name, 40)) : "", entry.count));
    label = "";
    shown += entry.count;
  }
  if (shown < names.total()) add_line(text, label, fmt::format("all others {}", names.total() - shown));
}

void add_blocked_line(std::string& text, const RuleSummary& rule) {
  if (rule.blockers == 0) return;
  add_line(text, "blocked",
           fmt::format("{} session{}, {} at once at most; waited longest: {}", rule.blocked_sessions,
                       rule.blocked_sessions == 1 ? "" : "s", rule.most_blocked,
                       names_text(rule.longest_waiters)));
}

void add_events(std::string& text, const RuleSummary& rule) {
  std::map<std::string, std::uint64_t> events{{"superseded", rule.superseded},
                                              {"skipped", rule.skipped},
                                              {"repeat", rule.repeats},
                                              {"spared_blocker", rule.spared_blockers}};
  std::erase_if(events, [](const auto& entry) { return entry.second == 0; });
  add_line(text, "events", counts_text(events, ""));
}

void add_rule(std::string& text, const RuleSummary& rule) {
  const auto limit = limit_of(rule);
  text += fmt::format("\n{} ({}{}{})\n", printable(title_of(rule), 200), printable(rule.mode, 20),
                      limit.empty() ? "" : ", ", printable(limit, 100));
  for (const auto& sentence : verdict_of(rule)) text += fmt::format("  {}\n", sentence);
  if (rule.episodes > 0) {
    add_line(
        text, "episodes",
        fmt::format("{} in {} session{}, {} to {}", rule.episodes, rule.sessions,
                    rule.sessions == 1 ? "" : "s", full_local_text(rule.first), full_local_text(rule.last)));
  }
  add_line(text, "ends", counts_text(rule.ends, "none yet"));
  if (!rule.longest_decision.empty()) {
    add_line(text, "longest age",
             fmt::format("{} (--decision {})", rough_text(rule.longest_age_s),
                         printable(rule.longest_decision, 80)));
  }
  add_line(text, "roles", names_text(rule.users));
  add_line(text, "databases", names_text(rule.databases));
  add_line(text, "applications", names_text(rule.application_names));
  if (rule.servers.top(2).size() > 1) add_line(text, "servers", names_text(rule.servers));
  add_line(text, "waited for", names_text(rule.wait_event_types));
  add_queries(text, rule.queries);
  add_line(text, "hours", hour_counts_text(rule));
  add_blocked_line(text, rule);
  add_line(text, "decisions", counts_text(rule.outcomes, "no outcome"));
  add_line(text, "effects", counts_text(rule.effects, ""));
  add_events(text, rule);
}

}  // namespace

std::string summary_text(const Summary& summary, const SummaryHead& head) {
  std::string text = head.period + "\n";
  for (const auto& note : head.notes) text += note + "\n";
  const auto rules = summary.rules();
  if (rules.empty()) text += "no such decision\n";
  for (const auto* rule : rules) add_rule(text, *rule);
  return text;
}

}  // namespace pgcurfew
