#include "watch/spared_blockers.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_set>

#include <fmt/format.h>

#include "engine/blockers.hpp"
#include "engine/explain.hpp"
#include "engine/judge.hpp"
#include "engine/narrate.hpp"
#include "policy/condition.hpp"

namespace pgcurfew {

namespace {

struct Spared {
  Judgement judgement;  ///< `due`: when the rule would act if nothing spared the session
  std::string reason;
};

std::string reason_of(const Policy& policy, const Session& session, Immunity immunity) {
  const auto* protection = immunity == Immunity::kProtected ? protection_of(policy, session) : nullptr;
  return immunity_text(immunity, protection == nullptr ? "" : protection->protection);
}

/// What a rule would do with a session that something spares; empty if nothing does.
std::optional<Spared> spared_by(const Policy& policy, const Rule& rule, const Session& session,
                                const ClockSteps& steps) {
  auto any_backend = rule;
  const bool is_other_backend = std::erase_if(any_backend.match.conditions, [&](const Condition& condition) {
                                  return is_client_backend(condition) && !holds(condition, session);
                                }) > 0;
  const auto immunity = immunity_of(policy, session);
  Spared spared{judge(any_backend, session, steps), {}};
  const auto* exception = std::exchange(spared.judgement.exception, nullptr);
  if (spared.judgement.verdict == Verdict::kExempt) {
    spared.reason = fmt::format("exception {} of the rule", exception - any_backend.except.data() + 1);
  } else if (spared.judgement.verdict != Verdict::kDue) {
    return std::nullopt;
  }
  if (immunity != Immunity::kNone) {
    spared.reason = reason_of(policy, session, immunity);
  } else if (is_other_backend) {
    spared.reason = fmt::format("not a client backend, but {}", session.backend_type);
  }
  return spared.reason.empty() ? std::nullopt : std::optional(std::move(spared));
}

}  // namespace

std::vector<Event> SparedBlockers::tell(const Policy& policy, const Look& look, const Docket& docket) {
  std::vector<Event> events;
  ++looks_;
  for (const auto& session : look.sessions) {
    // instead of parallel workers, their leader is reported
    if (session.blocks.empty() || session.leader_pid) continue;
    for (std::size_t r = 0; r < policy.rules.size(); ++r) {
      const auto& rule = policy.rules[r];
      if (!blocking_of(rule.match).is_asked || !holds(rule.when, look, docket.client_backends)) continue;
      if (!rule.hours.is_open(look.taken_at)) continue;
      const auto spared = spared_by(policy, rule, session, docket.steps);
      if (!spared || spared->judgement.due > look.taken_at) continue;
      const auto& judgement = spared->judgement;
      const auto [entry, is_new] = told_.try_emplace({session.key, r});
      auto& told = entry->second;
      const bool goes_on = !is_new && (told.anchor == judgement.anchor || told.look + 1 == looks_);
      told = {judgement.anchor, looks_};
      if (goes_on) continue;
      events.push_back(spared_blocker_event(rule, policy.version, session, judgement,
                                            look.taken_at - judgement.clock_start, spared->reason));
    }
  }
  if (told_.empty()) return events;
  std::unordered_set<SessionKey> present;
  for (const auto& session : look.sessions) present.insert(session.key);
  std::erase_if(told_, [&](const auto& entry) { return !present.contains(entry.first.first); });
  return events;
}

}  // namespace pgcurfew
