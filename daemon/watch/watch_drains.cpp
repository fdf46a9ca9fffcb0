#include <fmt/format.h>

#include "base/words.hpp"
#include "events/fields.hpp"
#include "watch/watch.hpp"

/// The part of a watch that concerns drains.
namespace pgcurfew {

namespace {
constexpr Duration kNoSooner = std::chrono::milliseconds(1);
/// The pause between two reports of an attempt that is repeated every few seconds and keeps failing.
constexpr Duration kSayAgain = std::chrono::minutes(1);
}  // namespace

Now Watch::now_at(MonotonicTime now) const {
  return {clock_.is_known() ? clock_.at(now) : ServerTime{}, now};
}

void Watch::handle(const happening::GatesRead& what, MonotonicTime now) {
  gates_failed_told_.reset();
  set_hold(Hold::kGatesFail, false);
  auto gates = what.gates;
  gates.is_superuser = facts_->is_superuser;
  drains_.take(gates, now_at(now));
}

void Watch::handle(const happening::GatesFailed& what, MonotonicTime now) {
  drains_.gates_failed(now_at(now));
  set_hold(Hold::kGatesFail, true);
  if (gates_failed_told_ && now - *gates_failed_told_ < kSayAgain) return;
  gates_failed_told_ = now;
  Event event(Kind::kGatesFailed, fmt::format("could not read the gates of {}: {}", options_.server,
                                              printable(what.error.message)));
  event.add(field::kError, what.error.message);
  if (!what.error.sqlstate.empty()) event.add(field::kSqlstate, what.error.sqlstate);
  tell(std::move(event));
}

void Watch::handle(const happening::GateTurned& what, MonotonicTime now) {
  drains_.take(what.reply, now_at(now));
}

void Watch::handle(const happening::ReopenAsked& what, MonotonicTime /*now*/) {
  drains_.reopen(what.databases);
}

/// Advances the drains. Returns the gates to turn.
std::vector<GateOrder> Watch::advance_drains(MonotonicTime now) {
  // windows begin and end by the server's clock, which may have been set while it could not be read
  const bool was_asked_lately = now - clock_.sampled_at() <= kLongestSilence + kReplyDeadline;
  auto wanted = drains_.advance(ledger_, was_asked_lately, now_at(now));
  tell(std::move(wanted.events));
  return std::move(wanted.gates);
}

void Watch::turn_gates(std::vector<GateOrder> turns, MonotonicTime now) {
  for (auto& turn : turns) {
    const auto intent = take_intent(turn.id);
    // to open a gate is never put off
    if (turn.closes) {
      outbox_.put(std::move(turn), intent, now);
    } else {
      commands_.emplace_back(command::TurnGate{std::move(turn)});
    }
  }
  if (drains_.asks_for_gates(now_at(now)))
    commands_.emplace_back(command::ReadGates{drains_.has_gated_run()});
  if (const auto interval = drains_.look_interval())
    next_look_ = std::min(next_look_, last_look_ + *interval);
}

void Watch::reckon_drains_wake_at(MonotonicTime now) {
  if (!holds_.let(Activity::kDrains)) return;
  auto at = drains_.next_reading();
  if (const auto due = drains_.next_due()) {
    const auto when = clock_.is_known() ? clock_.when(*due) : now + (*due - ServerTime{});
    at = std::min(at.value_or(when), when);
  }
  if (at) wake_at_ = std::min(wake_at_.value_or(*at), std::max(*at, now + kNoSooner));
}

/// The drains under way, for the status: `drain orders-vacuum terminating, 3 left`.
std::string Watch::drains_text() const {
  std::string text;
  for (const auto& progress : drains_.progress()) {
    if (progress.phase == DrainPhase::kDone) continue;
    text += fmt::format("{}drain {} {}", text.empty() ? "" : ", ", progress.drain, name_of(progress.phase));
    if (!progress.remaining.empty()) text += fmt::format(", {} left", progress.remaining.size());
  }
  return text;
}

}  // namespace pgcurfew
