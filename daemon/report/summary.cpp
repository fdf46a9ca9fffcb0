#include "report/summary.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>

#include <fmt/format.h>

#include "base/iso_time.hpp"
#include "events/catalogue.hpp"
#include "report/redact.hpp"

namespace pgcurfew {

namespace {

using Json = Summary::Json;

constexpr std::size_t kMostSessions = 100'000;
constexpr std::size_t kLongestQuery = 1000;
/// An end is seen by a look, which may be answered late: this long after the grace it may still be within it.
constexpr std::chrono::seconds kSeenWithin{5};

std::optional<WallTime> time_in(const Json& event) {
  return parse_iso_8601(text_in(event, "ts"));
}

bool is_true(const Json& event, std::string_view key) {
  const auto found = event.find(std::string(key));
  return found != event.end() && found->is_boolean() && found->get<bool>();
}

/// Whether the step was taken, or would have been.
bool is_taken(const Json& decision) {
  const auto outcome = text_in(decision, "outcome");
  return outcome == "signalled" || outcome == "would_signal" || outcome == "alerted";
}

/// What the decisions of one episode and its end say together.
struct EpisodeFacts {
  bool is_cancelled = false;
  bool is_terminated = false;
  bool is_alerted = false;
  bool has_if_still = false;
  bool is_unkillable = false;
  const Json* first_taken = nullptr;  ///< the first signal; if there is none, the first alert
  const Json* last_taken = nullptr;
  const Json* query = nullptr;  ///< the first decision that has one
  const Json* worst = nullptr;  ///< the one that blocked most sessions
  std::uint64_t most_blocked = 0;
  std::string end;
  std::optional<double> lived_s;  ///< from first_taken to the end
  bool is_overdue = false;        ///< it outlived the grace after last_taken
  bool was_next_tried = false;    ///< there is a decision after last_taken

  [[nodiscard]] bool has_acted() const { return is_cancelled || is_terminated; }
  [[nodiscard]] bool ended_by_itself() const { return end == "by_itself" || end == "gone"; }
};

void note_step(EpisodeFacts& facts, const Json& decision) {
  facts.last_taken = &decision;
  if (is_true(decision, "if_still")) {
    facts.has_if_still = true;
    return;
  }
  const auto step = text_in(decision, "step");
  if (step == "alert") {
    facts.is_alerted = true;
    if (facts.first_taken == nullptr) facts.first_taken = &decision;
    return;
  }
  if (!facts.has_acted()) facts.first_taken = &decision;
  (step == "terminate" ? facts.is_terminated : facts.is_cancelled) = true;
}

double seconds_from(WallTime from, WallTime to) {
  return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

/// Whether the step after this one was due well before the end.
bool was_next_due(const Json& decision, const Json& ended) {
  const auto grace_s = number_in(decision, "next_after_s");
  const auto from = time_in(decision);
  const auto to = time_in(ended);
  return grace_s && from && to &&
         seconds_from(*from, *to) > *grace_s + std::chrono::duration<double>(kSeenWithin).count();
}

EpisodeFacts facts_of(const std::vector<Json>& decisions, const Json* ended) {
  EpisodeFacts facts;
  for (const auto& decision : decisions) {
    if (is_taken(decision)) note_step(facts, decision);
    if (facts.query == nullptr && decision.contains("query")) facts.query = &decision;
    if (is_true(decision, "unkillable")) facts.is_unkillable = true;
    const auto blocks = static_cast<std::uint64_t>(std::max(0.0, number_in(decision, "blocks").value_or(0)));
    if (blocks > facts.most_blocked) {
      facts.most_blocked = blocks;
      facts.worst = &decision;
    }
  }
  if (ended == nullptr) return facts;
  facts.end = text_in(*ended, "end");
  facts.was_next_tried = facts.last_taken != nullptr && facts.last_taken != &decisions.back();
  facts.lived_s = number_in(*ended, "since_step_s");
  if (facts.last_taken != nullptr) facts.is_overdue = was_next_due(*facts.last_taken, *ended);
  if (facts.lived_s || facts.first_taken == nullptr || !facts.ended_by_itself()) return facts;
  const auto from = time_in(*facts.first_taken);
  const auto to = time_in(*ended);
  if (from && to) facts.lived_s = seconds_from(*from, *to);
  return facts;
}

void count_step(const EpisodeFacts& facts, RuleSummary& rule) {
  if (facts.is_terminated) {
    ++rule.terminated;
  } else if (facts.is_cancelled) {
    ++rule.cancelled;
  } else if (facts.is_alerted) {
    ++rule.only_alerted;
  } else {
    ++rule.not_acted;
  }
  if (facts.has_if_still) ++rule.if_still;
  if (facts.is_unkillable) ++rule.unkillable;
}

void count_end(const EpisodeFacts& facts, RuleSummary& rule) {
  ++rule.ends[facts.end];
  if (!facts.ended_by_itself() || facts.last_taken == nullptr) return;
  if (facts.last_taken->contains("next_after_s") && !facts.is_overdue) {
    ++rule.within_grace;
    return;
  }
  rule.lived_on.add(facts.lived_s.value_or(0));
  if (facts.is_overdue && !facts.was_next_tried) ++rule.held_back;
}

void note_age(const Json& decision, double more_s, RuleSummary& rule) {
  const auto age = number_in(decision, "age_s");
  if (!age || (*age + more_s <= rule.longest_age_s && !rule.longest_decision.empty())) return;
  rule.longest_age_s = *age + more_s;
  rule.longest_decision = text_in(decision, "decision");
}

void count_names(const Json& decision, const EpisodeFacts& facts, RuleSummary& rule) {
  rule.users.count(text_in(decision, "user"));
  rule.databases.count(text_in(decision, "database"));
  rule.application_names.count(text_in(decision, "application_name"));
  rule.servers.count(text_in(decision, "server"));
  rule.wait_event_types.count(text_in(decision, "wait_event_type"));
  // the policy may have kept literals in the record, and a summary is to be passed on
  const auto query = facts.query == nullptr ? std::string() : redact(text_in(*facts.query, "query"));
  const auto text = query.substr(0, kLongestQuery);
  const auto id = decision.find("query_id");
  const bool has_id = id != decision.end() && id->is_number_integer();
  if (has_id || !text.empty()) rule.queries.count(has_id ? id->dump() : text, text);
  if (facts.worst == nullptr) return;
  ++rule.blockers;
  rule.blocked_sessions += facts.most_blocked;
  rule.most_blocked = std::max(rule.most_blocked, facts.most_blocked);
  const auto waiter = text_in(*facts.worst, "longest_waiter_user");
  const auto program = text_in(*facts.worst, "longest_waiter_application_name");
  if (!waiter.empty())
    rule.longest_waiters.count(program.empty() ? waiter : fmt::format("{} ({})", waiter, program));
}

void count_decision(const Json& decision, RuleSummary& rule) {
  ++rule.decisions;
  ++rule.outcomes[text_in(decision, "outcome")];
  if (const auto effect = text_in(decision, "effect"); !effect.empty()) ++rule.effects[effect];
  if (const auto clock = text_in(decision, "clock"); !clock.empty()) {
    rule.clock = clock;
    rule.limit_s = number_in(decision, "limit_s");
  }
  const auto time = time_in(decision).value_or(WallTime{});
  if (rule.decisions == 1 || time < rule.first) rule.first = time;
  if (rule.decisions == 1 || time > rule.last) rule.last = time;
}

}  // namespace

Summary::Key Summary::key_of(const Json& event) {
  return {text_in(event, "server"), text_in(event, "episode"), text_in(event, "rule"),
          text_in(event, "drain")};
}

Summary::Counted& Summary::rule_of(const Json& event) {
  const auto drain = text_in(event, "drain");
  const auto name = drain.empty() ? text_in(event, "rule") : drain;
  const auto mode = text_in(event, "mode");
  auto& counted = rules_[{!drain.empty(), name, mode}];
  counted.summary.is_drain = !drain.empty();
  counted.summary.name = name;
  counted.summary.mode = mode;
  return counted;
}

void Summary::take(std::string_view line) {
  const auto event = Json::parse(line, nullptr, false);
  if (!event.is_object()) return;
  const auto kind = text_in(event, "event");
  follow_daemon(event, kind);
  note_outage(event, kind);
  if (kind == name_of(Kind::kBreakerOpen)) {
    if (filter_.of_server(event)) ++breakers_opened_[text_in(event, "mode")];
  } else if (kind == name_of(Kind::kRepeat)) {
    const auto key = open_by_decision_.find(text_in(event, "decision"));
    if (key != open_by_decision_.end()) ++open_.at(key->second).repeats;
  } else {
    note_event_of_rule(event, kind);
    take_of_episode(event, kind);
  }
}

void Summary::note_event_of_rule(const Json& event, std::string_view kind) {
  const auto count = [&](std::uint64_t RuleSummary::*member) {
    if (filter_.decision(event)) ++(rule_of(event).summary.*member);
  };
  if (kind == name_of(Kind::kSuperseded)) count(&RuleSummary::superseded);
  if (kind == name_of(Kind::kSkipped)) count(&RuleSummary::skipped);
  if (kind == name_of(Kind::kSparedBlocker)) count(&RuleSummary::spared_blockers);
}

void Summary::take_of_episode(const Json& event, std::string_view kind) {
  const auto key = key_of(event);
  if (kind == name_of(Kind::kIntent)) {
    open_[key].history.take_event(event);
    open_by_decision_[text_in(event, "decision")] = key;
    return;
  }
  const auto found = open_.find(key);
  if (found == open_.end()) return;
  found->second.history.take_event(event);
  if (kind != name_of(Kind::kEnded)) return;
  close(found->second, &event);
  for (const auto& decision : found->second.history.decisions())
    open_by_decision_.erase(text_in(decision, "decision"));
  open_.erase(found);
}

void Summary::finish() {
  for (const auto& [key, open] : open_) close(open, nullptr);
  open_.clear();
  open_by_decision_.clear();
  if (has_stopped_) add_gap(last_of_run_, filter_.until);
  has_stopped_ = false;
}

/// A drain by hand appends to the same record, and is no daemon.
void Summary::follow_daemon(const Json& event, std::string_view kind) {
  const auto run = text_in(event, "run");
  const auto time = time_in(event);
  if (!time || run.empty()) return;
  const bool has_started = kind == name_of(Kind::kStarted);
  const bool stops = kind == name_of(Kind::kStopped);
  if (has_started && !run_.empty()) add_gap(last_of_run_, *time);
  if (has_started || stops) {
    run_ = run;
    has_stopped_ = stops;
  }
  if (run == run_) last_of_run_ = *time;
}

void Summary::note_outage(const Json& event, std::string_view kind) {
  if (kind == name_of(Kind::kRecordFailed)) is_record_required_ = is_true(event, "required");
  const bool is_record = kind == name_of(Kind::kRecordAgain);
  const bool is_look = kind == name_of(Kind::kHoldOver) && text_in(event, "hold") == "looks_fail";
  if (!(is_record && is_record_required_) && !is_look && kind != name_of(Kind::kServerUp)) return;
  const auto lasted = number_in(event, is_look ? "lasted_s" : "outage_s").value_or(0);
  if (lasted <= 0 || !filter_.of_server(event)) return;
  const auto outage = is_record ? Outage::kRequiredRecord
                      : is_look ? Outage::kLooksFail
                                : Outage::kServerDown;
  outages_[{outage, is_record ? "" : text_in(event, "server")}] += lasted;
}

void Summary::add_gap(WallTime from, WallTime to) {
  const auto begin = std::max(from, filter_.since);
  const auto end = std::min(to, filter_.until);
  if (end > begin) not_running_s_ += std::chrono::duration<double>(end - begin).count();
}

void Summary::close(const Open& open, const Json* ended) {
  const auto& decisions = open.history.decisions();
  if (std::none_of(decisions.begin(), decisions.end(), filter_.decision)) return;
  auto& [rule, sessions] = rule_of(decisions.back());
  for (const auto& decision : decisions) {
    if (filter_.decision(decision)) count_decision(decision, rule);
  }
  ++rule.episodes;
  rule.repeats += open.repeats;
  const auto& first = decisions.front();
  if (sessions.size() < kMostSessions)
    sessions.insert(std::hash<std::string>()(text_in(first, "server") + '\n' + text_in(first, "session_id")));
  rule.sessions = sessions.size();
  const auto facts = facts_of(decisions, ended);
  count_step(facts, rule);
  count_end(facts, rule);
  count_names(first, facts, rule);
  for (const auto& decision : decisions) note_age(decision, 0, rule);
  if (facts.first_taken != nullptr && facts.lived_s) note_age(*facts.first_taken, *facts.lived_s, rule);
  if (const auto time = time_in(first)) {
    const auto hour = hour_of_(*time);
    if (hour >= 0 && hour < 24) ++rule.hours[static_cast<std::size_t>(hour)];
  }
}

std::vector<const RuleSummary*> Summary::rules() const {
  std::vector<const RuleSummary*> rules;
  for (const auto& entry : rules_) rules.push_back(&entry.second.summary);
  return rules;
}

std::uint64_t Summary::decisions() const {
  return std::accumulate(
      rules_.begin(), rules_.end(), std::uint64_t{0},
      [](std::uint64_t sum, const auto& entry) { return sum + entry.second.summary.decisions; });
}

std::uint64_t Summary::episodes() const {
  return std::accumulate(
      rules_.begin(), rules_.end(), std::uint64_t{0},
      [](std::uint64_t sum, const auto& entry) { return sum + entry.second.summary.episodes; });
}

}  // namespace pgcurfew
