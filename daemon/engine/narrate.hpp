#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/breaker.hpp"
#include "engine/judge.hpp"
#include "engine/ledger.hpp"
#include "engine/order.hpp"
#include "engine/session.hpp"
#include "events/event.hpp"

namespace pgcurfew {

/// An order's session and claimant in a sentence: `pid 4711 app@orders (rule limit)`.
std::string subject_of(const Order& order);

/// The events of one decision. Every one carries the decision id, the rule or drain, the session, the mode
/// and the step, under the same names.
Event intent_event(const Order& order);
Event outcome_event(const Order& order, const Reply& reply);

/// The line about a signal for the server's own log: what was sent to whom, for which rule, by which
/// decision, and why. One line, of printable characters.
std::string server_log_line(const Order& order);

/// The name of an outcome: the server's answer, except without a signal: `alerted`, `would_signal`.
std::string_view outcome_of(const Order& order, ReplyKind kind);

/// A rule's cancel is due, but has no effect on the session as it is.
Event skipped_event(const Rule& rule, const std::string& policy, const Session& session);

/// A due step for which another claimant's order counts. `episode`: as entered for that order.
Event superseded_event(const Order& order, const EpisodeKey& key, const Episode& episode);

/// What a later look showed of a signal's effect: `ended`, `query_ended`, `moved_on`, `still_there`,
/// `unseen`.
Event verified_event(const EpisodeKey& key, const Episode& episode, std::string_view effect);
/// A session has outlived its last step.
Event unkillable_event(const EpisodeKey& key, const Session& session, const Episode& episode);

/// An episode has ended. `now`: by the server's clock, if it is known.
Event ended_event(const EpisodeKey& key, const Episode& episode, End end, std::optional<ServerTime> now);

/// The event for the end of an episode, if one is due, which is then noted as logged.
void tell_end(const EpisodeKey& key, Episode& episode, End end, std::optional<ServerTime> now,
              std::vector<Event>& events);

/// A rule has acted so often on the same kind of session that its `repeat` applies. `order` is the last of
/// these actions.
Event repeat_event(const Order& order, std::size_t times);

/// A prepared transaction blocks sessions: no signal can end it.
Event prepared_transaction_event(const std::string& gid, std::size_t waiters,
                                 std::optional<Duration> longest);

/// A session blocks others as a rule forbids, and is spared for `reason`. `age`: by the clock of the
/// judgement.
Event spared_blocker_event(const Rule& rule, const std::string& policy, const Session& session,
                           const Judgement& judgement, Duration age, std::string_view reason);

/// A breaker has opened, the server's or a tenant's; some of the due sessions may still be signalled.
Event breaker_opened_event(const Breaker::Trip& trip, const Safety& safety, std::size_t client_backends,
                           Mode mode);
Event breaker_closed_event(const std::optional<Tenant>& tenant, Mode mode);

}  // namespace pgcurfew
