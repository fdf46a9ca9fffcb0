#include "policy/reader/rule_checks.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "policy/condition.hpp"
#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

const AgeLimit* find_age(const Match& match, Clock clock) {
  for (const auto& age : match.ages) {
    if (age.clock == clock) return &age;
  }
  return nullptr;
}

/// The hint for an age that the rule does not have: the ages that it has.
std::string clocks_hint(const ReadMatch& match) {
  std::vector<std::string_view> names;
  for (const auto& named : match.named) {
    if (clock_of(named.first)) names.push_back(entry_of(named.first).name);
  }
  if (names.empty())
    return "The rule has no age; an exception without one leaves the sessions alone for good.";
  return fmt::format("An exception can only move the rule's own limit: {}.", or_list(names));
}

void check_exception(const ReadMatch& rule, const ReadMatch& exception, Complaints& complaints) {
  for (const auto& age : exception.match.ages) {
    const auto at = exception.named.at(field_of(age.clock));
    if (!rule.named.contains(field_of(age.clock))) {
      complaints.error(at, fmt::format("the exception's {} is not an age of the rule", name_of(age.clock)),
                       clocks_hint(rule));
      continue;
    }
    const auto* limit = find_age(rule.match, age.clock);
    if (limit != nullptr && age.limit <= limit->limit) {
      complaints.error(at,
                       fmt::format("the exception's {} of {} is not later than the rule's {}",
                                   name_of(age.clock), to_text(age.limit), to_text(limit->limit)),
                       "An exception can only be milder than its rule.");
    }
  }
}

/// Whether a session in that state has the timestamp of a clock.
/// *Source*: backend_status.c, pgstat_report_activity: `disabled` clears all but backend_start; xact_start is
/// that of a running transaction that can still commit; `starting` (PostgreSQL 18) has not begun any
/// statement.
bool has_timestamp(State state, Clock clock) {
  if (clock == Clock::kSessionAge) return true;
  if (state == State::kDisabled || state == State::kStarting) return false;
  if (clock != Clock::kTransactionAge) return true;
  return state != State::kIdle && state != State::kIdleInTransactionAborted;
}

void warn_of_states(const ReadMatch& read, Complaints& complaints) {
  const auto* states = states_of(read.match);
  if (states == nullptr) return;
  const auto at = read.named.at(Field::kState);
  for (const auto state : states->any_of) {
    for (const auto& age : read.match.ages) {
      if (has_timestamp(state, age.clock)) continue;
      complaints.warn(at,
                      fmt::format("state \"{}\" never matches here: its {} is NULL, so it has no {}",
                                  name_of(state), column_of(age.clock), name_of(age.clock)),
                      has_timestamp(state, Clock::kStateAge) ? "Use state_age for it."
                                                             : "The only age that it has is session_age.");
    }
    if (state != State::kStarting) continue;
    complaints.warn(at,
                    "state \"starting\" has neither database nor user yet, and only a superuser may end it",
                    "authentication_timeout of PostgreSQL ends sessions that do not get past it.");
  }
}

/// query_start stays when the query has ended, so this age of an idle session keeps growing.
void warn_of_idle_sessions(const Match& match, PlaceInText at, const std::vector<Step>& escalate,
                           Complaints& complaints) {
  const bool terminates = std::any_of(escalate.begin(), escalate.end(),
                                      [](const Step& step) { return step.kind == StepKind::kTerminate; });
  if (!terminates || find_age(match, Clock::kQueryAge) == nullptr) return;
  complaints.warn(at, "query_age without a state also terminates idle sessions whose last query is that old",
                  "Add state: active if it is about queries that run.");
}

}  // namespace

void check_rule(const ReadMatch& match, PlaceInText at, const std::vector<ReadMatch>& except,
                const std::vector<Step>& escalate, Complaints& complaints) {
  for (const auto& exception : except) check_exception(match, exception, complaints);
  warn_of_states(match, complaints);
  const bool is_for_harm = match.named.contains(Field::kBlocks) || match.named.contains(Field::kBlocksFor) ||
                           match.named.contains(Field::kBlockedFor) || match.named.contains(Field::kXminAge);
  if (!match.named.contains(Field::kState) && !is_for_harm)
    warn_of_idle_sessions(match.match, at, escalate, complaints);
}

}  // namespace pgcurfew
