#include <string>

#include <nlohmann/json.hpp>

#include "base/iso_time.hpp"
#include "cli/summary.hpp"

namespace pgcurfew {

namespace {

using Json = History::Json;

constexpr std::size_t kMostNames = 20;

Json map_json(const std::map<std::string, std::uint64_t>& counts) {
  auto object = Json::object();
  for (const auto& [name, count] : counts) object[name.empty() ? "none" : name] = count;
  return object;
}

Json names_json(const NameCounts& names, const char* key) {
  auto list = Json::array();
  for (const auto& entry : names.top(kMostNames))
    list.push_back({{key, entry.name}, {"episodes", entry.count}});
  return list;
}

Json queries_json(const NameCounts& names) {
  auto list = Json::array();
  for (const auto& entry : names.top(kMostNames)) {
    auto query = Json::object();
    if (has_query_id(entry)) query["query_id"] = Json::parse(entry.name, nullptr, false);
    if (!entry.text.empty()) query["query"] = entry.text;
    query["episodes"] = entry.count;
    list.push_back(std::move(query));
  }
  return list;
}

void add_blocking(Json& object, const RuleSummary& rule) {
  if (rule.blockers == 0) return;
  object["blocking"] = {{"episodes", rule.blockers},
                        {"sessions", rule.blocked_sessions},
                        {"most", rule.most_blocked},
                        {"longest_waiters", names_json(rule.longest_waiters, "waiter")}};
}

Json summed_rule_json(const RuleSummary& rule) {
  auto object = Json::object();
  object[rule.is_drain ? "drain" : "rule"] = rule.name;
  object["mode"] = rule.mode;
  if (!rule.clock.empty()) object["clock"] = rule.clock;
  if (rule.limit_s) object["limit_s"] = *rule.limit_s;
  if (rule.decisions > 0) {
    object["first"] = iso_8601(rule.first);
    object["last"] = iso_8601(rule.last);
  }
  object["decisions"] = rule.decisions;
  object["episodes"] = rule.episodes;
  object["sessions"] = rule.sessions;
  object["outcomes"] = map_json(rule.outcomes);
  object["effects"] = map_json(rule.effects);
  object["ends"] = map_json(rule.ends);
  object["cancelled"] = rule.cancelled;
  object["terminated"] = rule.terminated;
  object["only_alerted"] = rule.only_alerted;
  object["not_acted"] = rule.not_acted;
  object["if_still"] = rule.if_still;
  object["within_grace"] = rule.within_grace;
  object["held_back"] = rule.held_back;
  object["lived_on"] = {{"episodes", rule.lived_on.count()}};
  if (rule.lived_on.count() > 0) {
    object["lived_on"]["median_s"] = rule.lived_on.median_s();
    object["lived_on"]["longest_s"] = rule.lived_on.longest_s();
  }
  if (!rule.longest_decision.empty())
    object["longest"] = {{"age_s", rule.longest_age_s}, {"decision", rule.longest_decision}};
  add_blocking(object, rule);
  object["users"] = names_json(rule.users, "user");
  object["databases"] = names_json(rule.databases, "database");
  object["application_names"] = names_json(rule.application_names, "application_name");
  object["wait_event_types"] = names_json(rule.wait_event_types, "wait_event_type");
  object["servers"] = names_json(rule.servers, "server");
  object["queries"] = queries_json(rule.queries);
  object["hours"] = rule.hours;
  object["unkillable"] = rule.unkillable;
  object["repeats"] = rule.repeats;
  object["superseded"] = rule.superseded;
  object["skipped"] = rule.skipped;
  object["spared_blockers"] = rule.spared_blockers;
  return object;
}

}  // namespace

std::string summary_json(const Summary& summary, const SummaryScope& scope) {
  auto object = Json::object();
  object["since"] = iso_8601(scope.asked_for.since);
  object["until"] = iso_8601(scope.asked_for.until);
  object["record_begins"] = iso_8601(scope.record_begins);
  object["lacking"] = scope.lacking;
  object["not_running_s"] = summary.not_running_s();
  object["outages"] = Json::array();
  for (const auto& [outage, lasted] : summary.outages()) {
    const auto& [kind, server] = outage;
    object["outages"].push_back({{"cause", kind == Summary::Outage::kRequiredRecord ? "record_failed"
                                           : kind == Summary::Outage::kLooksFail    ? "looks_fail"
                                                                                    : "server_down"},
                                 {"server", server},
                                 {"lasted_s", lasted}});
  }
  object["decisions"] = summary.decisions();
  object["episodes"] = summary.episodes();
  object["breakers_opened"] = map_json(summary.breakers_opened());
  object["rules"] = Json::array();
  for (const auto* rule : summary.rules()) object["rules"].push_back(summed_rule_json(*rule));
  return to_ascii(object);
}

}  // namespace pgcurfew
