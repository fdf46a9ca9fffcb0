// Of sessions and transactions that hold others up, and that nobody ends.

#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "engine/blockers.hpp"
#include "engine/narrate.hpp"
#include "engine/narrate_fields.hpp"

namespace pgcurfew {

Event prepared_transaction_event(const std::string& gid, std::size_t waiters,
                                 std::optional<Duration> longest) {
  Event event;
  event.level = Level::kWarning;
  event.kind = "prepared_transaction";
  event.message = fmt::format("prepared transaction \"{}\" holds up {} session{}: no signal can end it",
                              printable(gid, 80), waiters, waiters == 1 ? "" : "s");
  event.fields.emplace_back("gid", gid);
  event.fields.emplace_back("waiters", static_cast<std::int64_t>(waiters));
  if (longest) event.fields.emplace_back("longest_wait_s", *longest);
  event.fields.emplace_back(
      "hint", "COMMIT PREPARED or ROLLBACK PREPARED, in its database, by its owner or a superuser.");
  return event;
}

Event spared_blocker_event(const Rule& rule, const std::string& policy, const Session& session,
                           const Judgement& judgement, Duration age, std::string_view reason) {
  const auto waiters = fitting_waiters(blocking_of(rule.match), session);
  const auto clock = clock_text(judgement.clock, judgement.is_waiters_age);
  const bool has_age = judgement.limit > Duration(0);
  Event event;
  event.level = Level::kWarning;
  event.kind = "spared_blocker";
  event.message = fmt::format(
      "{} blocks {} session{} past the limit of rule {}{} and is spared: {}", session_text(session),
      waiters.size(), waiters.size() == 1 ? "" : "s", rule.name,
      has_age ? fmt::format(" ({} {} of limit {})", clock, to_rough_text(age), to_text(judgement.limit))
              : std::string(),
      reason);
  event.fields.emplace_back("rule", rule.name);
  event.fields.emplace_back("policy", policy);
  add_session(event, session.key);
  event.fields.emplace_back("mode", std::string(name_of(rule.mode)));
  if (has_age) {
    event.fields.emplace_back("clock", std::string(clock));
    event.fields.emplace_back("age_s", age);
    event.fields.emplace_back("limit_s", judgement.limit);
  }
  event.fields.emplace_back("blocks", static_cast<std::int64_t>(waiters.size()));
  if (!waiters.empty())
    event.fields.emplace_back("longest_waiter", static_cast<std::int64_t>(waiters.front()->key.pid));
  event.fields.emplace_back("reason", std::string(reason));
  add_names(event, session);
  if (session.state) event.fields.emplace_back("state", std::string(name_of(*session.state)));
  return event;
}

}  // namespace pgcurfew
