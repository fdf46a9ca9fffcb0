// Events about blocking sessions and transactions that no rule ends.

#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "engine/blockers.hpp"
#include "engine/narrate.hpp"
#include "engine/narrate_fields.hpp"
#include "events/fields.hpp"

namespace pgcurfew {

Event prepared_transaction_event(const std::string& gid, std::size_t waiters,
                                 std::optional<Duration> longest) {
  Event event(Kind::kPreparedTransaction,
              fmt::format("prepared transaction \"{}\" blocks {} session{}: no signal can end it",
                          printable(gid, 80), waiters, waiters == 1 ? "" : "s"));
  event.add(field::kGid, gid);
  event.add(field::kWaiters, waiters);
  if (longest) event.add(field::kLongestWaitS, *longest);
  event.add(field::kHint,
            "COMMIT PREPARED or ROLLBACK PREPARED, in its database, by its owner or a superuser.");
  return event;
}

Event spared_blocker_event(const Rule& rule, const std::string& policy, const Session& session,
                           const Judgement& judgement, Duration age, std::string_view reason) {
  const auto waiters = fitting_waiters(blocking_of(rule.match), session);
  const auto clock = clock_text(judgement.clock, judgement.is_waiters_age);
  const bool has_age = judgement.limit > Duration(0);
  Event event(Kind::kSparedBlocker,
              fmt::format("{} blocks {} session{} past the limit of rule {}{} and is spared: {}",
                          session_text(session), waiters.size(), waiters.size() == 1 ? "" : "s", rule.name,
                          has_age ? fmt::format(" ({} {} of limit {})", clock, to_rough_text(age),
                                                to_text(judgement.limit))
                                  : std::string(),
                          reason));
  event.add(field::kRule, rule.name);
  event.add(field::kPolicy, policy);
  add_session(event, session.key);
  event.add(field::kMode, name_of(rule.mode));
  if (has_age) {
    event.add(field::kClock, clock);
    event.add(field::kAgeS, age);
    event.add(field::kLimitS, judgement.limit);
  }
  event.add(field::kBlocks, waiters.size());
  if (!waiters.empty()) event.add(field::kLongestWaiter, waiters.front()->key.pid);
  event.add(field::kReason, reason);
  add_names(event, session);
  if (session.state) event.add(field::kState, name_of(*session.state));
  return event;
}

}  // namespace pgcurfew
