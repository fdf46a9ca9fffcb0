#include "watch/prepared.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>

#include "engine/docket.hpp"
#include "engine/look_plan.hpp"
#include "engine/narrate.hpp"

namespace pgcurfew {

namespace {

struct Held {
  std::size_t waiters = 0;
  std::optional<ServerTime> since;
};

/// The sessions that each one blocks, by gid.
std::map<std::string, Held> held_up(const Look& look) {
  std::map<std::string, Held> held;
  for (const auto& wait : look.waits) {
    for (const auto& gid : wait.prepared) {
      auto& entry = held[gid];
      ++entry.waiters;
      const auto session =
          std::find_if(look.sessions.begin(), look.sessions.end(),
                       [&](const Session& candidate) { return candidate.key == wait.waiter; });
      const auto since = session == look.sessions.end() ? wait.since : session->blocked_since;
      if (since) entry.since = std::min(entry.since.value_or(*since), *since);
    }
  }
  return held;
}

}  // namespace

std::vector<Event> PreparedTransactions::tell(const Policy& policy, const Look& look) {
  std::vector<Event> events;
  // such a look does not show whether they block a session
  if (look.waits_failed) return events;
  const auto held = held_up(look);
  std::erase_if(told_, [&](const std::string& gid) { return !held.contains(gid); });
  const auto patience = patience_with_blockers(policy);
  for (const auto& [gid, entry] : held) {
    if (!entry.since || !patience) continue;
    const auto longest = look.taken_at - *entry.since;
    if (longest < *patience || !told_.insert(gid).second) continue;
    events.push_back(prepared_transaction_event(gid, entry.waiters, longest));
  }
  return events;
}

}  // namespace pgcurfew
