#pragma once

#include <optional>
#include <vector>

#include "engine/claim.hpp"
#include "engine/docket.hpp"
#include "engine/ledger.hpp"
#include "engine/session.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// An order waits before it is sent: until note_sent(), or its reply, no look permits another signal to its
/// session.
void note_waiting(const Order& order, Ledger& ledger);

/// It is sent now: a look that was requested before does not show its effect.
void note_sent(const Order& order, Ledger& ledger);

/// Enters the server's reply to an order. `replied_at`: the server's time, as far as we know it. Returns the
/// outcome to report.
std::vector<Event> settle_reply(const Order& order, const Reply& reply, Ledger& ledger, ServerTime replied_at,
                                MonotonicTime now);

/// Compares the ledger with a new look: episodes that are over are verified and closed, and ladders that
/// ended without effect are reported as unkillable, once.
/// Requires: `docket` was made from `look` by `policy`; `drains` are all that are under way.
std::vector<Event> settle_look(const Policy& policy, const Look& look, const Docket& docket,
                               const std::vector<DrainClaims>& drains, Ledger& ledger);

/// The ends of all episodes without an order in flight.
std::vector<Event> end_all(Ledger& ledger, End end, std::optional<ServerTime> now);

struct CarriedOver {
  Ledger ledger;
  std::vector<Event> events;  ///< of signals whose effect is no longer awaited, and ends
};

/// Carries the ledger over to a new policy: episodes of rules that kept their meaning continue, others end.
/// Episodes of drains continue, because running drains do.
CarriedOver carry_over(const Ledger& ledger, const Policy& before, const Policy& after);

/// How long a session may outlive its last step before it is reported as unkillable.
inline constexpr Duration kPatience = std::chrono::seconds(5);

}  // namespace pgcurfew
