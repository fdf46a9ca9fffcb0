#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/words.hpp"
#include "engine/settle.hpp"
#include "events/fields.hpp"
#include "watch/narrate_server.hpp"
#include "watch/watch.hpp"

/// The part of a watch that waits for the record: an order is not sent before its intent is there.
namespace pgcurfew {

namespace {
constexpr const char* kNotInRecord = "its intent is not in the record, which the policy requires";
}  // namespace

void Watch::handle(const happening::Appended& what, MonotonicTime /*now*/) {
  recorded_ = std::max(recorded_, what.number);
  is_record_silent_ = false;
}

void Watch::handle(const happening::AppendsAgain& /*what*/, MonotonicTime /*now*/) {
  record_fails_ = false;
}

void Watch::handle(const happening::AppendFailed& what, MonotonicTime /*now*/) {
  record_fails_ = true;
  note_unrecorded(fmt::format("cannot write the record ({})", printable(what.error.message, 200)));
}

/// The record is behind until it has all events of the past.
void Watch::note_unrecorded(std::string trouble) {
  behind_until_ = told_;
  record_trouble_ = std::move(trouble);
  note_holds();
}

Duration Watch::patience() const {
  if (is_record_behind()) return Duration(0);
  if (policy_->record.is_required) return kRequiredPatience;
  return is_record_silent_ ? Duration(0) : kPatience;
}

void Watch::note_intent(const Event& event) {
  for (const auto& [name, value] : event.fields) {
    if (name == field::kDecision.name) intents_[std::get<std::string>(value)] = told_;
  }
}

/// The number of an order's intent; 0, which is always recorded, if it has none.
std::uint64_t Watch::take_intent(const std::string& decision) {
  const auto taken = intents_.extract(decision);
  return taken.empty() ? 0 : taken.mapped();
}

void Watch::send_recorded(MonotonicTime now) {
  take_back_unwanted(now);
  dispatch(outbox_.take_recorded(recorded_), now);
  if (policy_->record.is_required) {
    take_back_overdue(now);
  } else {
    send_late(now);
  }
}

void Watch::send_late(MonotonicTime now) {
  auto late = outbox_.take_overdue(now, patience());
  // the intents of later orders are behind these, so only the first one waits for a record that stands still
  if (!late.empty()) is_record_silent_ = true;
  for (const auto& waiting : late) {
    const auto* order = std::get_if<Order>(&waiting.order);
    if (order != nullptr && !order->is_signal()) continue;
    if (order != nullptr) ++signals_late_;
    tell(intent_late_event(waiting, now - waiting.since));
  }
  dispatch(std::move(late), now);
}

void Watch::take_back_overdue(MonotonicTime now) {
  auto overdue = outbox_.take_overdue(now, patience());
  if (overdue.empty()) return;
  if (!is_record_behind()) {
    note_unrecorded(fmt::format("no answer from the record within {}", to_text(kRequiredPatience)));
  }
  take_back(overdue, kNotInRecord, now);
}

/// What happened since the orders were made.
void Watch::take_back_unwanted(MonotonicTime now) {
  const bool may_signal = holds_.let(Activity::kRules);
  const auto claims = drains_.claims();
  const auto may_signal_for = [&](const std::string& drain) {
    return drain.empty() || std::any_of(claims.begin(), claims.end(), [&](const DrainClaims& claim) {
             return claim.drain->name == drain && claim.since;
           });
  };
  const auto is_wanted = [&](const Outbox::Waiting& waiting) {
    const auto* order = std::get_if<Order>(&waiting.order);
    if (order == nullptr) return drains_.is_closing(std::get<GateOrder>(waiting.order).mark.drain);
    return may_signal && may_signal_for(order->drain);
  };
  const auto why = may_signal                          ? "its drain has ended since"
                   : holds_.has(Hold::kRecordRequired) ? kNotInRecord
                                                       : "a hold has begun since";
  take_back(outbox_.take_unwanted(is_wanted), why, now);
}

/// Settles orders that will not be sent.
void Watch::take_back(const std::vector<Outbox::Waiting>& orders, std::string_view why, MonotonicTime now) {
  Error error;
  error.message = why;
  for (const auto& waiting : orders) {
    if (const auto* order = std::get_if<Order>(&waiting.order)) {
      in_flight_.erase(order->decision);
      Reply reply;
      reply.kind = ReplyKind::kNotSent;
      reply.error = error;
      settle_order(*order, std::move(reply), now);
    } else {
      GateReply reply;
      reply.id = waiting.decision();
      reply.outcome = GateOutcome::kFailed;
      reply.error = error;
      drains_.take(reply, now_at(now));
    }
  }
}

void Watch::dispatch(std::vector<Outbox::Waiting> orders, MonotonicTime now) {
  std::vector<Order> signals;
  const auto send = [&] {
    if (!signals.empty()) commands_.emplace_back(command::Send{std::exchange(signals, {})});
  };
  for (auto& waiting : orders) {
    if (auto* order = std::get_if<Order>(&waiting.order)) {
      in_flight_[order->decision].sent = now;
      note_sent(*order, ledger_);
      signals.push_back(std::move(*order));
    } else {
      send();
      commands_.emplace_back(command::TurnGate{std::move(std::get<GateOrder>(waiting.order))});
    }
  }
  send();
}

}  // namespace pgcurfew
