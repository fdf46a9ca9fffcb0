#include "report/summary_page.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "report/html.hpp"
#include "report/verdict.hpp"

namespace pgcurfew {

namespace {

constexpr std::size_t kMostNames = 10;
constexpr std::string_view kBlue = "#3b7dd8";
constexpr std::string_view kGreen = "#3a9a5c";
constexpr std::string_view kOrange = "#d9822b";
constexpr std::string_view kGrey = "#8a8f98";

constexpr std::string_view kPageBegin = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>pgcurfew: summary</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 0 auto; padding: 1em; color: #1c1e21; background: #ffffff; }
h1 { font-size: 1.4em; }
h2 { font-size: 1.15em; margin: 2em 0 .3em; border-top: 1px solid #c9ccd1; padding-top: .8em; overflow-wrap: anywhere; }
h3 { font-size: 1em; margin: 1em 0 .2em; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .1em .6em .1em 0; vertical-align: top; overflow-wrap: anywhere; font-weight: normal; }
th { border-bottom: 1px solid #c9ccd1; }
td.n, th.n { text-align: right; overflow-wrap: normal; width: 4em; }
th { font-size: .85em; vertical-align: bottom; }
td.bar { width: 35%; padding-top: .45em; }
code { font-family: ui-monospace, monospace; font-size: .92em; }
.mode, .note { color: #60656d; }
@media (prefers-color-scheme: dark) {
  body { color: #e4e6ea; background: #16181c; }
  h2, th { border-color: #3a3e45; }
  .mode, .note { color: #a3a8b0; }
}
</style>
</head>
<body>
)";

struct BarRow {
  std::string label;  ///< HTML
  std::uint64_t count = 0;
  std::string_view colour = kBlue;
};

std::string bar(std::uint64_t count, std::uint64_t most, std::string_view colour) {
  const auto percent = most == 0 ? 0 : std::max<std::uint64_t>(count * 100 / most, count > 0 ? 1 : 0);
  return fmt::format(R"(<div style="background:{};height:.75em;width:{}%"></div>)", colour, percent);
}

/// `full`: the count whose bar has the whole width; 0: the highest.
void add_bars(std::string& page, std::string_view heading, const std::vector<BarRow>& rows,
              std::uint64_t full = 0) {
  if (rows.empty()) return;
  auto most = full;
  for (const auto& row : rows) most = std::max(most, row.count);
  page += fmt::format("<h3>{}</h3>\n<table>\n", heading);
  for (const auto& row : rows) {
    page += fmt::format("<tr><td>{}</td><td class=\"n\">{}</td><td class=\"bar\">{}</td></tr>\n", row.label,
                        row.count, bar(row.count, most, row.colour));
  }
  page += "</table>\n";
}

void add_names(std::string& page, std::string_view heading, const NameCounts& names) {
  std::vector<BarRow> rows;
  std::uint64_t shown = 0;
  for (const auto& entry : names.top(kMostNames)) {
    rows.push_back({entry.name.empty() ? "(none)" : escape_html(entry.name, 80), entry.count});
    shown += entry.count;
  }
  if (shown < names.total()) rows.push_back({"all others", names.total() - shown, kGrey});
  add_bars(page, heading, rows);
}

void add_queries(std::string& page, const NameCounts& names) {
  std::vector<BarRow> rows;
  std::uint64_t shown = 0;
  for (const auto& entry : names.top(kMostNames)) {
    auto label = fmt::format("<code>{}</code>", escape_html(entry.text, 300));
    if (has_query_id(entry))
      label += fmt::format(" <span class=\"note\">query_id {}</span>", escape_html(entry.name, 40));
    rows.push_back({std::move(label), entry.count});
    shown += entry.count;
  }
  if (shown < names.total()) rows.push_back({"all others", names.total() - shown, kGrey});
  add_bars(page, "Queries", rows);
}

/// A column for each hour of the day.
void add_hours(std::string& page, const RuleSummary& rule) {
  const auto most = *std::max_element(rule.hours.begin(), rule.hours.end());
  if (most == 0) return;
  std::string columns;
  std::string names;
  for (std::size_t hour = 0; hour < rule.hours.size(); ++hour) {
    const auto count = rule.hours[hour];
    const auto height = count == 0 ? 0 : std::max<std::uint64_t>(count * 60 / most, 1);
    columns +=
        fmt::format(R"(<td style="vertical-align:bottom;height:60px;padding:0 1px" title="{:02}:00: {}">)"
                    R"(<div style="background:{};height:{}px"></div></td>)",
                    hour, count, kBlue, height);
    names += fmt::format(R"(<td style="padding:0 1px;text-align:center;font-size:.65em">{:02}</td>)", hour);
  }
  page += fmt::format(
      "<h3>Hours of the day, by their first decision; {} at most</h3>\n<table style=\"table-layout:fixed\">\n"
      "<tr>{}</tr>\n<tr>{}</tr>\n</table>\n",
      most, columns, names);
}

void add_fates(std::string& page, const RuleSummary& rule) {
  const bool is_dry = rule.mode == "dry-run";
  std::vector<BarRow> rows;
  const auto add = [&](std::string_view label, std::uint64_t count, std::string_view colour) {
    if (count > 0) rows.push_back({std::string(label), count, colour});
  };
  add(is_dry ? "would have been cancelled" : "cancelled", rule.cancelled, kOrange);
  add(is_dry ? "would have been terminated" : "terminated", rule.terminated, kOrange);
  add("only alerted", rule.only_alerted, kGrey);
  add("no step was taken", rule.not_acted, kGrey);
  add_bars(page, "The strongest step", rows, rule.episodes);
  rows.clear();
  add("ended by themselves within the grace, before the next step", rule.within_grace, kGreen);
  add("went on, and ended by themselves later", rule.lived_on.count() - rule.held_back, kOrange);
  add("went on while the next step was held back, and ended by themselves", rule.held_back, kOrange);
  std::uint64_t others = 0;
  for (const auto& [end, count] : rule.ends) others += count;
  others -= std::min(others, rule.within_grace + rule.lived_on.count());
  add("ended in another way (below), or not yet", others, kGrey);
  add_bars(page, "Ended without pgcurfew", rows, rule.episodes);
  rows.clear();
  for (const auto& [end, count] : rule.ends)
    rows.push_back({end.empty() ? "no end in the record yet" : escape_html(end), count, kGrey});
  add_bars(page, "How the episodes ended", rows, rule.episodes);
}

void add_blocked(std::string& page, const RuleSummary& rule) {
  if (rule.blockers == 0) return;
  page += fmt::format(
      "<p>In {} of these episodes other sessions waited for the session: {} in total, {} at "
      "once at most.</p>\n",
      rule.blockers, rule.blocked_sessions, rule.most_blocked);
  add_names(page, "Blocked: the session that had waited longest", rule.longest_waiters);
}

void add_others(std::string& page, const RuleSummary& rule) {
  std::vector<std::string> parts;
  const auto add = [&](std::string_view name, std::uint64_t count) {
    if (count > 0) parts.push_back(fmt::format("{} {}", name, count));
  };
  for (const auto& [outcome, count] : rule.outcomes)
    add(outcome.empty() ? "no outcome" : escape_html(outcome), count);
  for (const auto& [effect, count] : rule.effects) add("effect " + escape_html(effect), count);
  add("superseded", rule.superseded);
  add("skipped", rule.skipped);
  add("repeat", rule.repeats);
  add("spared_blocker", rule.spared_blockers);
  if (!parts.empty())
    page += fmt::format("<p class=\"note\">Decisions and events: {}.</p>\n", fmt::join(parts, ", "));
}

void add_rule(std::string& page, const RuleSummary& rule) {
  const auto limit = limit_of(rule);
  page += fmt::format("<h2>{} <span class=\"mode\">{}{}{}</span></h2>\n<p>{}</p>\n",
                      escape_html(title_of(rule), 200), escape_html(rule.mode), limit.empty() ? "" : ", ",
                      escape_html(limit, 100),
                      escape_html(fmt::format("{}", fmt::join(verdict_of(rule), " ")), 2000));
  page += fmt::format("<p class=\"note\">{} episodes, {} sessions, {} decisions", rule.episodes,
                      rule.sessions, rule.decisions);
  if (!rule.longest_decision.empty()) {
    page += fmt::format("; longest age {} (decision {})", rough_text(rule.longest_age_s),
                        escape_html(rule.longest_decision, 80));
  }
  page += ".</p>\n";
  add_fates(page, rule);
  add_hours(page, rule);
  add_names(page, "Roles", rule.users);
  add_names(page, "Applications", rule.application_names);
  add_names(page, "Waited for, at the first step", rule.wait_event_types);
  add_names(page, "Databases", rule.databases);
  if (rule.servers.top(2).size() > 1) add_names(page, "Servers", rule.servers);
  add_queries(page, rule.queries);
  add_blocked(page, rule);
  add_others(page, rule);
}

void add_overview(std::string& page, const std::vector<const RuleSummary*>& rules) {
  if (rules.size() < 2) return;
  page +=
      "<table>\n<tr><th class=\"n\">episodes</th><th class=\"n\">cancelled</th><th "
      "class=\"n\">terminated</th>"
      "<th class=\"n\">within grace</th></tr>\n";
  for (const auto* rule : rules) {
    page += fmt::format(
        "<tr><td colspan=\"4\">{} <span class=\"mode\">{}</span></td></tr>\n"
        "<tr><td class=\"n\">{}</td><td class=\"n\">{}</td>"
        "<td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        escape_html(title_of(*rule), 100), escape_html(rule->mode), rule->episodes, rule->cancelled,
        rule->terminated, rule->within_grace);
  }
  page += "</table>\n";
}

}  // namespace

std::string summary_page(const Summary& summary, const SummaryHead& head) {
  std::string page(kPageBegin);
  page += fmt::format(
      "<h1>pgcurfew: what the rules did, or would have done</h1>\n<p>{}: {} episodes, {} decisions.</p>\n",
      escape_html(head.period), summary.episodes(), summary.decisions());
  for (const auto& note : head.notes)
    page += fmt::format("<p class=\"note\">{}</p>\n", escape_html(note, 1000));
  const auto rules = summary.rules();
  if (rules.empty()) page += "<p>The record has no such decision.</p>\n";
  add_overview(page, rules);
  for (const auto* rule : rules) add_rule(page, *rule);
  return page + "</body>\n</html>\n";
}

}  // namespace pgcurfew
