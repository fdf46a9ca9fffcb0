#include <algorithm>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "engine/narrate.hpp"
#include "events/fields.hpp"

/// The events of the breaker.
namespace pgcurfew {

namespace {

std::string breaker_of(const std::optional<Tenant>& tenant) {
  if (!tenant) return "the server's breaker";
  return fmt::format("the breaker of user {} in database {}",
                     printable(tenant->user.value_or("(unknown)"), 80),
                     printable(tenant->database.value_or("(unknown)"), 80));
}

void add_tenant(Event& event, const std::optional<Tenant>& tenant) {
  event.add(field::kScope, tenant ? "tenant" : "server");
  if (tenant && tenant->database) event.add(field::kDatabase, *tenant->database);
  if (tenant && tenant->user) event.add(field::kUser, *tenant->user);
}

/// The parts of the bound, and for which sessions they are.
std::string allowance_of(const Breaker::Trip& trip) {
  if (trip.allowed == trip.whole) return fmt::format("at most {} are allowed", trip.whole);
  if (trip.tenant) return fmt::format("one role may use {} of {}", trip.allowed, trip.whole);
  return fmt::format("of {} allowed {} are kept in reserve", trip.whole, trip.whole - trip.allowed);
}

}  // namespace

Event breaker_opened_event(const Breaker::Trip& trip, const Safety& safety, std::size_t client_backends,
                           Mode mode) {
  const bool is_share = trip.bound == Breaker::Bound::kShare;
  const auto held = trip.due - std::min(trip.due, trip.admitted);
  Event event(Kind::kBreakerOpen,
              fmt::format("{} {}: {} signals within {} ({} sent, {} due){}, {}; {} now, {} held back for {}; "
                          "then as many signals are sent as the bounds allow, the longest due first",
                          breaker_of(trip.tenant), mode == Mode::kDryRun ? "would open" : "opens",
                          trip.sent + trip.due, to_text(is_share ? Breaker::kAtOnce : safety.per), trip.sent,
                          trip.due, is_share ? fmt::format(" among {} client sessions", client_backends) : "",
                          allowance_of(trip),
                          trip.admitted == 0   ? "none go"
                          : trip.admitted == 1 ? "1 goes"
                                               : fmt::format("{} go", trip.admitted),
                          held == 1 ? "1 is" : fmt::format("{} are", held), to_text(safety.quiet)));
  add_tenant(event, trip.tenant);
  event.add(field::kBound, is_share ? "share" : "signals");
  event.add(field::kSent, trip.sent);
  event.add(field::kDue, trip.due);
  event.add(field::kAllowed, trip.allowed);
  event.add(field::kHeld, held);
  event.add(field::kClientBackends, client_backends);
  event.add(field::kMode, name_of(mode));
  event.add(field::kQuietS, safety.quiet);
  return event;
}

Event breaker_closed_event(const std::optional<Tenant>& tenant, Mode mode) {
  Event event(Kind::kBreakerClosed,
              fmt::format("{} {}: signals go on, the longest due first", breaker_of(tenant),
                          mode == Mode::kDryRun ? "would close" : "closes"));
  add_tenant(event, tenant);
  event.add(field::kMode, name_of(mode));
  return event;
}

}  // namespace pgcurfew
