#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "drains/drain_events.hpp"
#include "drains/drain_reach.hpp"
#include "drains/drain_run.hpp"
#include "engine/judge.hpp"
#include "engine/server_clock.hpp"
#include "engine/settle.hpp"

/// The half of a drain that ends sessions.
namespace pgcurfew {

namespace {

constexpr std::string_view kClientBackend = "client backend";
/// After an order that came to nothing; the next look has shown by then what it was.
constexpr Duration kRetry = std::chrono::milliseconds(200);
constexpr int kEarlyReadings = 5;
constexpr Duration kSlowRetry = std::chrono::seconds(5);

/// A parallel worker ends with its leader, and DROP DATABASE cancels autovacuum.
bool passes_by(const Session& session) {
  return session.backend_type == "parallel worker" || session.backend_type == "autovacuum worker";
}

bool is_stronger(StepKind one, StepKind other) {
  return static_cast<int>(one) > static_cast<int>(other);
}

}  // namespace

void DrainRun::take_look(const Look& look, Now now) {
  if (phase_ == DrainPhase::kDone) return;
  if (since_ && look.number <= looks_before_) return;
  look_ = look;
  unplaced_.clear();
  std::copy_if(look_->sessions.begin(), look_->sessions.end(), std::back_inserter(unplaced_),
               [](const Session& session) {
                 return !session.is_own && session.has_nameless_database &&
                        session.backend_type == kClientBackend;
               });
  others_.clear();
  for (const auto& session : look_->sessions) {
    const bool is_there = session.database && our_gates_.contains(*session.database);
    if (!is_there || session.is_own || session.backend_type == kClientBackend || passes_by(session)) continue;
    others_.push_back(fmt::format("pid {} ({})", session.key.pid, session.backend_type));
  }
  std::erase_if(look_->sessions,
                [&](const Session& session) { return !is_in_drained_database(session) || session.is_own; });
  std::erase_if(sent_, [&](const auto& entry) {
    return !entry.second.in_flight &&
           std::none_of(look_->sessions.begin(), look_->sessions.end(),
                        [&](const Session& session) { return session.key == entry.first; });
  });
  for (const auto& session : look_->sessions) {
    const auto found = sent_.find(session.key);
    // whoever is exempt at a look is not one that changes only to get away
    if (found != sent_.end() && judge(proxy_, session).verdict == Verdict::kExempt) found->second.spared = 0;
  }
  note_remaining();
  if (since_) count_empty_look(now);
}

bool DrainRun::is_in_drained_database(const Session& session) const {
  return session.backend_type == kClientBackend && session.database && our_gates_.contains(*session.database);
}

/// Let in after the gates had closed: a superuser, or there is no gate.
bool DrainRun::is_latecomer(const Session& session) const {
  return since_ && session.key.backend_start > *since_;
}

/// Why nobody will end the session; empty if it is to be ended.
std::string DrainRun::why_left_alone(const Session& session) const {
  if (auto reason = why_protected(policy_, session); !reason.empty()) return reason;
  if (is_latecomer(session) && !plan_.terminates_latecomers) return "latecomer";
  const auto found = sent_.find(session.key);
  if (found != sent_.end() && found->second.is_denied) return "denied";
  return {};
}

void DrainRun::note_remaining() {
  progress_.remaining.clear();
  progress_.has_looked = true;
  progress_.hidden = look_->hidden;
  const auto note = [this](const Session& session, std::string reason) {
    progress_.remaining.push_back({session.key, session.database.value_or("?"), session.user,
                                   session.application_name, session.state, session.wait_event,
                                   std::move(reason)});
  };
  for (const auto& session : look_->sessions) {
    if (judge(proxy_, session).verdict != Verdict::kExempt) {
      note(session, why_left_alone(session));
    } else if (session.has_nameless_user) {
      note(session, "perhaps excepted: the name of its role is not known");
    }
  }
  for (const auto& session : unplaced_) note(session, "the name of its database is not known");
}

/// One look may miss who was just let in; who is hidden from us, or has no name for us, may be in there; who
/// logs in will be.
void DrainRun::count_empty_look(Now now) {
  const bool is_awaited = !progress_.logging_in.empty();
  const bool nobody = progress_.remaining.empty() && progress_.hidden == 0;
  // most log in within milliseconds
  if (nobody && is_awaited && ++early_readings_ <= kEarlyReadings) needs_gates_ = true;
  if (!nobody || is_awaited) {
    empty_looks_ = 0;
    if (std::exchange(is_empty_, false)) tell(drain_refilled_event(plan_, progress_));
    return;
  }
  if (is_empty_ || ++empty_looks_ < kEmptyLooks || !knows_who_logs_in()) return;
  is_empty_ = true;
  if (std::exchange(progress_.was_emptied, true)) return;
  std::vector<std::string> prepared;
  std::vector<std::string> slots;
  for (const auto& entry : our_gates_) {
    const auto& ours = entry.second;
    prepared.insert(prepared.end(), ours.prepared.begin(), ours.prepared.end());
    slots.insert(slots.end(), ours.slots.begin(), ours.slots.end());
  }
  tell(drain_empty_event(plan_, progress_, now.server - *since_, {prepared, slots, others_}));
}

DrainRun::DueStep DrainRun::due_step(Now now) const {
  DueStep due;
  if (!since_) return due;
  auto at = *since_ + plan_.wait;
  for (std::size_t i = 0; i < plan_.escalate.size(); ++i) {
    at += plan_.escalate[i].after;
    if (at > now.server) {
      due.next = at;
      return due;
    }
    due.number = i;
    due.since = at;
  }
  return due;
}

void DrainRun::signal(Ledger& ledger, std::string_view policy_version, Now now) {
  if (!since_ || !look_ || holds_still_) return;
  // in another server, or meanwhile, the gates may be open
  if (has_gate() && !all_known()) return;
  auto due = due_step(now);
  if (due.next) due_by(*due.next);
  // whoever comes back after it was empty has had all the time that there was
  if (!due.number && !progress_.was_emptied) return;
  for (const auto& session : look_->sessions) {
    if (in_flight_ >= kMostDrainSignals) return;
    if (judge(proxy_, session).verdict != Verdict::kExempt) {
      signal_one(session, due, ledger, policy_version, now);
    }
  }
}

void DrainRun::signal_one(const Session& session, const DueStep& due, Ledger& ledger,
                          std::string_view policy_version, Now now) {
  if (!why_left_alone(session).empty()) return;
  const bool came_back = progress_.was_emptied && is_latecomer(session);
  if (!due.number && !came_back) return;
  const auto step = came_back ? StepKind::kTerminate : plan_.escalate[*due.number].kind;
  const bool has_step = std::any_of(plan_.escalate.begin(), plan_.escalate.end(),
                                    [&](const Step& entry) { return entry.kind == step; });
  if (!has_step) return;
  if (step == StepKind::kCancel && !can_be_cancelled(session)) return;
  auto& sent = sent_[session.key];
  if (sent.in_flight || sent.gone_in == look_->number) return;
  if (sent.step && !is_stronger(step, *sent.step)) {
    const bool outlives = sent.step == StepKind::kTerminate && now.server - sent.at >= kPatience;
    if (outlives && !rehearses() && !std::exchange(sent.told_unkillable, true)) {
      tell(drain_unkillable_event(plan_, session, now.server - sent.at));
    }
    return;
  }
  if (sent.not_before && now.monotonic < *sent.not_before) return due_by(*sent.not_before, now);
  auto order = make_order(session, step, came_back ? now.server : due.since, ledger, policy_version, now);
  sent.in_flight = true;
  ++in_flight_;
  tell(drain_intent_event(plan_, order));
  actions_.orders.push_back(std::move(order));
}

Order DrainRun::make_order(const Session& session, StepKind step, ServerTime due, Ledger& ledger,
                           std::string_view policy_version, Now now) const {
  Order order;
  order.decision = fmt::format("{}-{}", ledger.prefix, ++ledger.decisions);
  order.drain = plan_.name;
  order.policy = policy_version;
  order.mode = plan_.mode;
  order.step = step;
  order.action = rehearses()                 ? Action::kNothing
                 : step == StepKind::kCancel ? Action::kCancel
                                             : Action::kTerminate;
  order.ordered_at = now.monotonic;
  order.look_number = look_->number;
  order.guard = make_guard(guard_policy_, proxy_, session, {false, sent_.at(session.key).spared});
  order.guard.not_before = due;
  order.guard.not_after = now.server + ServerClockEstimate::kTolerance;
  order.clock_start = due;
  name_session(order, session);
  return order;
}

void DrainRun::take(const Order& order, const Reply& reply, Now now) {
  tell(drain_outcome_event(plan_, order, reply));
  if (in_flight_ > 0) --in_flight_;
  const auto found = sent_.find(order.guard.session);
  if (found == sent_.end()) return;
  auto& sent = found->second;
  sent.in_flight = false;
  switch (reply.kind) {
    case ReplyKind::kSignalled:
      sent.step = order.step;
      sent.at = reply.server_time.value_or(now.server);
      sent.spared = 0;
      sent.not_before.reset();
      (order.step == StepKind::kCancel ? progress_.cancelled : progress_.terminated) += 1;
      return;
    case ReplyKind::kDenied:
      sent.is_denied = true;
      return;
    case ReplyKind::kGone:
      sent.gone_in = order.look_number;
      return;
    case ReplyKind::kFailed:
    case ReplyKind::kUnknown:
    case ReplyKind::kSyncRep:
      sent.not_before = now.monotonic + kSlowRetry;
      return;
    case ReplyKind::kMovedOn:
      ++sent.spared;
      sent.not_before = now.monotonic + kRetry;
      return;
    default:
      sent.not_before = now.monotonic + kRetry;
      return;
  }
}

}  // namespace pgcurfew
