#include "engine/spared_blockers.hpp"

#include <unordered_set>

#include <fmt/format.h>

#include "engine/explain.hpp"
#include "engine/narrate.hpp"

namespace pgcurfew {

namespace {

bool is_within_hours(const Rule& rule, ServerTime time) {
  if (rule.hours.is_empty()) return true;
  const auto open = rule.hours.next_open(time);
  return open && open->start <= time;
}

std::string reason_of(const Policy& policy, const Session& session, const SparedBlocker& spared) {
  if (spared.immunity == Immunity::kNone) return "an exception of the rule";
  const auto* protection = spared.immunity == Immunity::kProtected ? protection_of(policy, session) : nullptr;
  return immunity_text(spared.immunity, protection == nullptr ? "" : protection->protection);
}

}  // namespace

std::vector<Event> SparedBlockers::tell(const Policy& policy, const Snapshot& snapshot,
                                        const Docket& docket) {
  std::vector<Event> events;
  for (const auto& spared : docket.spared_blockers) {
    const auto& rule = policy.rules[spared.rule];
    const auto& session = snapshot.sessions[spared.session];
    const auto& judgement = spared.judgement;
    if (judgement.due > snapshot.taken_at || !is_within_hours(rule, snapshot.taken_at)) continue;
    const auto [told, is_new] = told_.try_emplace({session.key, spared.rule}, judgement.anchor);
    if (!is_new && told->second == judgement.anchor) continue;
    told->second = judgement.anchor;
    events.push_back(spared_blocker_event(rule, policy.version, session, judgement,
                                          snapshot.taken_at - judgement.clock_start,
                                          reason_of(policy, session, spared)));
  }
  if (told_.empty()) return events;
  // whoever holds up nobody for a while is not told of again: waiters come and go
  std::unordered_set<SessionKey> present;
  for (const auto& session : snapshot.sessions) present.insert(session.key);
  std::erase_if(told_, [&](const auto& entry) { return !present.contains(entry.first.first); });
  return events;
}

}  // namespace pgcurfew
