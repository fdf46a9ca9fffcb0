#include "policy/advice/rule_warnings.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "policy/advice/claims.hpp"
#include "policy/advice/covers.hpp"
#include "policy/condition.hpp"
#include "policy/grammar/synonyms.hpp"

namespace pgcurfew {

namespace {

using namespace std::chrono_literals;

constexpr Duration kCheapLimit = 100ms;
/// Hours repeat apart from changes over a year, so any moment will do: this one is in 2026.
constexpr ServerTime kSomeTime{std::chrono::hours(24) * 365 * 26};

bool is_blocking(const ReadMatch& match) {
  return match.named.contains(Field::kBlocks) || match.named.contains(Field::kBlocksFor);
}

bool has_states(const Match& match, bool (*fits)(State)) {
  const auto* states = states_of(match);
  return states != nullptr && std::all_of(states->any_of.begin(), states->any_of.end(), fits);
}

// -- a rule that can never match or act
// ---------------------------------------------------------------------------

/// *Source*: a session waits for a lock within a statement; one that is idle outside of a transaction holds
/// no snapshot and has no transaction id.
void warn_of_contradictions(const ReadMatch& match, Complaints& complaints) {
  const auto runs_nothing = [](State state) {
    return state != State::kActive && state != State::kFastpathFunctionCall && state != State::kDisabled;
  };
  const auto blocked = match.named.find(Field::kBlockedFor);
  if (blocked != match.named.end() && has_states(match.match, runs_nothing)) {
    complaints.warn(blocked->second, "this rule never matches: a session that waits for a lock is active",
                    "Use blocks_for for the sessions that it waits for.");
  }
  const auto holds_nothing = [](State state) { return state == State::kIdle || state == State::kStarting; };
  const auto xmin = match.named.find(Field::kXminAge);
  if (xmin != match.named.end() && has_states(match.match, holds_nothing)) {
    complaints.warn(xmin->second,
                    "this rule never matches: a session that is idle outside of a transaction holds nothing "
                    "back",
                    "It is idle in transaction, or active.");
  }
}

/// The value of target_session_attrs; empty if it is not there.
std::string_view wanted_of(std::string_view conninfo) {
  constexpr std::string_view kKey = "target_session_attrs=";
  const auto at = conninfo.find(kKey);
  if (at == std::string_view::npos) return {};
  const auto value = conninfo.substr(at + kKey.size());
  return value.substr(0, value.find_first_of(" \t\r\n&'"));
}

bool is_never(const Server& server, Role role) {
  const auto wanted = wanted_of(server.conninfo);
  if (role == Role::kPrimary) return wanted == "standby" || wanted == "read-only";
  return wanted == "primary" || wanted == "read-write";
}

void warn_of_role(const YamlNode& node, const Rule& rule, const std::vector<Server>* servers,
                  Complaints& complaints) {
  if (!rule.when.role || servers == nullptr || servers->empty()) return;
  const auto role = *rule.when.role;
  const bool never = std::all_of(servers->begin(), servers->end(), [&](const Server& server) {
    const auto& own = rule.servers;
    const bool is_for = own.empty() || std::find(own.begin(), own.end(), server.name) != own.end();
    return !is_for || is_never(server, role);
  });
  if (!never) return;
  complaints.warn(
      node.find("when")->find("role")->at,
      fmt::format("this rule never acts: by its target_session_attrs, none of its servers is ever a {}",
                  name_of(role)));
}

void warn_of_hours(const YamlNode& node, const Rule& rule, Complaints& complaints) {
  if (rule.hours.is_empty() || rule.hours.next_open(kSomeTime)) return;
  const auto* during = node.find("during");
  const auto* not_during = node.find("not_during");
  complaints.warn(
      (not_during != nullptr ? not_during : during)->at, "this rule never acts: its hours never open",
      during != nullptr && not_during != nullptr ? "not_during excludes all hours of during." : "");
}

// -- what a rule matches --------------------------------------------------------------------------------

void warn_of_active_blockers(const ReadMatch& match, Complaints& complaints) {
  const auto is_active = [](State state) { return state == State::kActive; };
  if (!is_blocking(match) || match.named.contains(Field::kBlockedFor)) return;
  if (!has_states(match.match, is_active)) return;
  complaints.warn(match.named.at(Field::kState),
                  "the usual blocker is idle in transaction, and this rule ignores it",
                  "Leave the state out, or name both.");
}

void warn_of_wait_event_types(const ReadMatch& match, Complaints& complaints) {
  // *Source*: wait_event.c and wait_event_names.txt of PostgreSQL 10 to 18
  constexpr std::array<std::string_view, 10> kTypes{"Activity", "BufferPin",      "Client", "Extension",
                                                    "IO",       "InjectionPoint", "IPC",    "Lock",
                                                    "LWLock",   "Timeout"};
  const auto* condition = find_condition(match.match, Field::kWaitEventType);
  if (condition == nullptr) return;
  for (const auto& pattern : std::get<TextTest>(condition->test).any_of) {
    if (std::any_of(kTypes.begin(), kTypes.end(), [&](auto type) { return pattern.matches(type); })) continue;
    auto hint = did_you_mean(pattern.written(), kTypes, {});
    if (hint.empty()) hint = fmt::format("They are {}.", fmt::join(kTypes, ", "));
    complaints.warn(
        match.named.at(Field::kWaitEventType),
        fmt::format("wait_event_type \"{}\" is not one of PostgreSQL's", printable(pattern.written(), 80)),
        std::move(hint));
  }
}

/// `select *`, `COPY*`: compile as an expression with another meaning.
bool looks_like_wildcards(std::string_view written) {
  return !written.starts_with('/') && written.find_first_of("*?") != std::string_view::npos &&
         written.find_first_of("\\^$.|()[]{}+") == std::string_view::npos;
}

void warn_of_wildcards(const ReadMatch& match, Complaints& complaints) {
  const auto* condition = find_condition(match.match, Field::kQuery);
  if (condition == nullptr) return;
  for (const auto& pattern : std::get<TextTest>(condition->test).any_of) {
    if (!looks_like_wildcards(pattern.written())) continue;
    complaints.warn(
        match.named.at(Field::kQuery),
        fmt::format("query \"{}\" is a regular expression, in which * and ? are no wildcards",
                    printable(pattern.written(), 80)),
        "Write .* for any text; the expression may match anywhere, so none is needed at its ends.");
  }
}

void warn_of_short_limits(const ReadMatch& match, Complaints& complaints) {
  for (const auto& age : match.match.ages) {
    if (age.limit >= kCheapLimit) continue;
    complaints.warn(
        match.named.at(field_of(age.clock)),
        fmt::format("a limit of {} needs looks at the server many times a second", to_text(age.limit)),
        "Below 100ms they cost more than they save; a look takes a millisecond or more.");
  }
}

// -- what a rule does -------------------------------------------------------------------------------------

/// Whether anything other than the state of the moment shows that a session has exceeded a limit.
bool has_limit(const ReadMatch& match, const Rule& rule) {
  if (rule.selection.keep || match.named.contains(Field::kXminAge) || !match.match.ages.empty()) return true;
  const auto* blocks = find_condition(match.match, Field::kBlocks);
  if (blocks == nullptr) return false;
  const auto& waiter = std::get<BlocksTest>(blocks->test).waiter;
  return waiter && !waiter->ages.empty();
}

void warn_of_steps(const YamlNode& escalate, const ReadMatch& match, const Rule& rule,
                   Complaints& complaints) {
  const auto& steps = rule.escalate;
  const auto cancel = std::find_if(steps.begin(), steps.end(),
                                   [](const Step& step) { return step.kind == StepKind::kCancel; });
  const bool terminates_later = rule.repeat && rule.repeat->then == RepeatAction::kTerminate;
  if (cancel != steps.end() && cancel + 1 == steps.end() && !terminates_later) {
    complaints.warn(escalate.values.back().at,
                    "no step follows the cancel, and a session can ignore it and go on",
                    "Add terminate as the next step, or alert to be notified.");
  }
  Duration waited{};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    waited += steps[i].after;
    if (steps[i].kind != StepKind::kTerminate || waited > Duration::zero() || has_limit(match, rule))
      continue;
    complaints.warn(escalate.values[i].at, "a session that matches is terminated as soon as it is seen",
                    "Add an age to match, such as state_age, unless that is meant.");
  }
}

void warn_of_victims(const YamlNode& node, const Rule& rule, Complaints& complaints) {
  const auto& selection = rule.selection;
  if (!selection.keep || selection.victims != Victims::kAll) return;
  for (const auto* key : {"at_most", "pause"}) {
    const auto* bound = node.find(key);
    if (bound == nullptr) continue;
    complaints.warn(
        bound->at,
        fmt::format("with {} not all sessions of a group end: the rest is no larger than keep", key),
        fmt::format("Leave out {}, or set victims to oldest or newest.", key));
  }
}

bool only_alerts(const Rule& rule) {
  return std::all_of(rule.escalate.begin(), rule.escalate.end(),
                     [](const Step& step) { return step.kind == StepKind::kAlert; });
}

void warn_of_repeat(const YamlNode& node, const Rule& rule, Complaints& complaints) {
  if (!rule.repeat || !only_alerts(rule)) return;
  complaints.warn(node.find("repeat")->at, "repeat counts cancels and terminates, and this rule only alerts");
}

// -- names that clients choose ---------------------------------------------------------------------------

/// Whether all sessions that match have the same value of a field.
bool is_one_value(const Condition* condition) {
  if (condition == nullptr) return false;
  if (const auto* ids = std::get_if<NumbersTest>(&condition->test)) return ids->any_of.size() == 1;
  const auto& names = std::get<TextTest>(condition->test).any_of;
  return names.size() == 1 && names.front().is_exact();
}

const YamlNode* value_in(const YamlNode* per, std::string_view name) {
  if (per == nullptr) return nullptr;
  const auto is_it = [&](const YamlNode& value) { return value.text == name; };
  if (per->kind != YamlNode::Kind::kList) return is_it(*per) ? per : nullptr;
  const auto found = std::find_if(per->values.begin(), per->values.end(), is_it);
  return found == per->values.end() ? nullptr : &*found;
}

/// Users in `match` do not help: each of them can still leave its group, or count in another's.
void warn_of_chosen_groups(const YamlNode& node, const Rule& rule, const ReadMatch& match,
                           Complaints& complaints) {
  const auto warn = [&](const YamlNode* per, std::string_view what, std::string_view consequence) {
    for (const auto& field : all_fields()) {
      const auto* value = field.is_chosen_by_client ? value_in(per, field.name) : nullptr;
      if (value == nullptr || is_one_value(find_condition(match.match, field.field))) continue;
      complaints.warn(value->at,
                      fmt::format("{} counts by {}, which any client can choose", what, field.name),
                      fmt::format("A client that changes it {}. Write per: user.", consequence));
    }
  };
  warn(node.find("per"), "keep", "counts in another group");
  if (rule.repeat && !only_alerts(rule)) {
    warn(node.find("repeat")->find("per"), "repeat", "is counted separately");
  }
}

// -- what one tenant can turn against others -------------------------------------------------------------

void warn_of_chosen_waiters(const Rule& rule, const ReadMatch& match, Complaints& complaints) {
  const auto* blocks = find_condition(match.match, Field::kBlocks);
  if (blocks == nullptr || only_alerts(rule)) return;
  const auto& waiter = std::get<BlocksTest>(blocks->test).waiter;
  const auto fields = waiter ? claimable_fields(*waiter) : std::string();
  if (fields.empty()) return;
  complaints.warn(match.named.at(Field::kBlocks),
                  fmt::format("blocks selects waiting sessions by {}, which any client can choose", fields),
                  "Any client can turn the rule against a session that it waits for. Name the user of the "
                  "waiting sessions: blocks: { user: ... }.");
}

void warn_of_taken_connections(const YamlNode& node, const Rule& rule, const ReadMatch& match,
                               Complaints& complaints) {
  if (!rule.when.connections_used || only_alerts(rule) || is_for_named_clients(match.match)) return;
  const auto& per = rule.selection.per;
  const bool counts_each = std::any_of(per.begin(), per.end(), [](Field field) {
    return field == Field::kUser || field == Field::kClientAddr;
  });
  if (counts_each) return;
  complaints.warn(node.find("when")->find("connections_used")->at,
                  "one user can use all connections, and this rule then ends the sessions of others",
                  "Count each user's own sessions (per: user, keep: 10), or name the user in match.");
}

// -- exceptions ------------------------------------------------------------------------------------------

void warn_of_exceptions(const YamlNode& list, const ReadMatch& match, const std::vector<ReadMatch>& except,
                        Complaints& complaints) {
  // within roles or addresses that the rule names, application names are trusted
  const bool is_for_some = is_for_named_clients(match.match);
  for (std::size_t i = 0; i < except.size(); ++i) {
    const auto at = list.values[i].at;
    const auto& own = except[i].match;
    const auto first = std::find_if(except.begin(), except.begin() + static_cast<std::ptrdiff_t>(i),
                                    [&](const ReadMatch& other) { return covers(other.match, own); });
    if (first != except.begin() + static_cast<std::ptrdiff_t>(i)) {
      complaints.warn(at, "this exception never applies",
                      fmt::format("The one in line {} comes first and matches the same sessions.",
                                  first->match.place.line));
    }
    if (covers(own, match.match)) {
      complaints.warn(at, own.ages.empty()
                              ? "this exception spares every session that the rule applies to"
                              : "this exception moves the limit of every session that the rule applies to");
    }
    if (!is_for_some) warn_of_claim(own, at, "exception", "escape the rule", complaints);
  }
}

}  // namespace

void warn_of_rule(const YamlNode& node, const Rule& rule, const ReadMatch& match,
                  const std::vector<ReadMatch>& except, const std::vector<Server>* servers,
                  Complaints& complaints) {
  warn_of_contradictions(match, complaints);
  warn_of_role(node, rule, servers, complaints);
  warn_of_hours(node, rule, complaints);
  warn_of_active_blockers(match, complaints);
  warn_of_wait_event_types(match, complaints);
  warn_of_wildcards(match, complaints);
  warn_of_short_limits(match, complaints);
  warn_of_steps(*node.find("escalate"), match, rule, complaints);
  warn_of_victims(node, rule, complaints);
  warn_of_repeat(node, rule, complaints);
  warn_of_chosen_groups(node, rule, match, complaints);
  warn_of_chosen_waiters(rule, match, complaints);
  warn_of_taken_connections(node, rule, match, complaints);
  if (const auto* list = node.find("except")) warn_of_exceptions(*list, match, except, complaints);
}

void warn_of_protection(const YamlNode& node, const Match& match, Complaints& complaints) {
  warn_of_claim(match, node.at, "protection", "escape every rule", complaints);
}

void warn_of_protected(const Rule& rule, PlaceInText at, const std::vector<Match>& protect,
                       Complaints& complaints) {
  const auto found = std::find_if(protect.begin(), protect.end(),
                                  [&](const Match& match) { return covers(match, rule.match); });
  if (found == protect.end()) return;
  if (found->protection.empty()) {
    complaints.warn(at, "this rule never acts: every session that it applies to is protected",
                    fmt::format("The entry of protect is at {}:{}.", found->place.file, found->place.line));
  } else {
    complaints.warn(
        at,
        fmt::format("this rule never acts: every session that it applies to has the built-in protection {}",
                    found->protection),
        fmt::format("unprotect: [{}] in the main file switches it off.", found->protection));
  }
}

}  // namespace pgcurfew
