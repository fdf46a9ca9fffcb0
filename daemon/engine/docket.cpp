#include "engine/docket.hpp"

#include <algorithm>

namespace pgcurfew {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kShortestInterval = milliseconds(50);
constexpr Duration kIntervalWithoutAge = seconds(1);
constexpr Duration kLongestInterval = std::chrono::hours(1);

/// Room for the look itself: a tenth of the limit, at least 250 ms where the limit allows it.
Duration interval_for(Duration limit) {
  const Duration margin = std::max<Duration>(limit / 10, std::min<Duration>(milliseconds(250), limit / 2));
  return limit - margin;
}

void look_again_from(Docket& docket, ServerTime time) {
  docket.pending_from = std::min(docket.pending_from.value_or(time), time);
}

bool reads_query(const Match& match) {
  return std::any_of(match.conditions.begin(), match.conditions.end(),
                     [](const Condition& condition) { return condition.field == Field::kQuery; });
}

}  // namespace

Docket make_docket(const Policy& policy, const Snapshot& snapshot, const ClockSteps& steps) {
  Docket docket;
  docket.steps = steps;
  docket.look = snapshot.number;
  for (std::size_t s = 0; s < snapshot.sessions.size(); ++s) {
    const auto& session = snapshot.sessions[s];
    if (session.backend_type == "client backend") ++docket.client_backends;
    if (session.has_nameless_database || session.has_nameless_user) ++docket.nameless;
    const auto immunity = immunity_of(policy, session);
    const bool is_immune = immunity != Immunity::kNone;
    if (is_immune && !is_passing(immunity, policy, session)) continue;
    for (std::size_t r = 0; r < policy.rules.size(); ++r) {
      const auto judgement = judge(policy.rules[r], session, steps);
      if (is_immune && judgement.verdict == Verdict::kDue) {
        look_again_from(docket, judgement.due);
      } else if (judgement.verdict == Verdict::kDue) {
        docket.cases.push_back({r, s, judgement});
      }
      if (judgement.could_be_due) look_again_from(docket, *judgement.could_be_due);
    }
  }
  return docket;
}

Duration look_interval(const Policy& policy) {
  Duration interval = kLongestInterval;
  for (const auto& rule : policy.rules) {
    const auto needed =
        rule.match.ages.empty() ? kIntervalWithoutAge : interval_for(rule.match.ages.front().limit);
    interval = std::min(interval, needed);
  }
  return std::max(interval, kShortestInterval);
}

QueryTexts needed_query_texts(const Policy& policy) {
  bool all = false;
  bool active = false;
  for (const auto& match : policy.protect) {
    if (!reads_query(match)) continue;
    (match.protection == "concurrent-index" ? active : all) = true;
  }
  for (const auto& rule : policy.rules) {
    all = all || reads_query(rule.match) ||
          std::any_of(rule.except.begin(), rule.except.end(),
                      [](const Exception& exception) { return reads_query(exception.match); });
  }
  return all ? QueryTexts::kAll : active ? QueryTexts::kActive : QueryTexts::kNone;
}

bool needs_waits(const Policy& policy) {
  return std::any_of(policy.rules.begin(), policy.rules.end(), [](const Rule& rule) {
    const auto& ages = rule.match.ages;
    return std::any_of(rule.match.conditions.begin(), rule.match.conditions.end(),
                       [](const Condition& condition) { return condition.field == Field::kBlocks; }) ||
           std::any_of(ages.begin(), ages.end(), [](const AgeLimit& age) {
             return age.clock == Clock::kBlocksFor || age.clock == Clock::kBlockedFor;
           });
  });
}

}  // namespace pgcurfew
