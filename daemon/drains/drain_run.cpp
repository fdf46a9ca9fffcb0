#include "drains/drain_run.hpp"

#include <array>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "drains/drain_events.hpp"
#include "engine/ladder.hpp"

namespace pgcurfew {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// While sessions are being ended, and while none may be left.
constexpr Duration kHotLook = milliseconds(200);
constexpr Duration kCalmLook = seconds(1);

/// Two clocks that are not set differ by less than this after a week.
constexpr Duration kDrift = seconds(60);

}  // namespace

std::string_view name_of(DrainPhase phase) {
  constexpr std::array<std::string_view, 7> kNames{"gating", "waiting",   "cancelling", "terminating",
                                                   "empty",  "reopening", "done"};
  return kNames.at(static_cast<std::size_t>(phase));
}

DrainRun::DrainRun(const Drain& plan, Interval window, std::string by, bool is_joined, std::uint64_t number)
    : window_(window), by_(std::move(by)), is_joined_(is_joined), number_(number) {
  replace_plan(plan);
}

void DrainRun::replace_plan(const Drain& plan) {
  plan_ = plan;
  progress_.drain = plan.name;
  progress_.mode = plan.mode;
}

void DrainRun::tell(Event event) {
  actions_.events.push_back(std::move(event));
}

void DrainRun::connection_lost() {
  needs_gates_ = true;
  for (auto& entry : our_gates_) {
    auto& ours = entry.second;
    ours.is_known = false;
    // the gates themselves will show the result
    ours.may_be_closed = ours.may_be_closed || ours.state == GateState::kClosing;
    if (ours.state == GateState::kClosing) ours.state = GateState::kOpen;
    if (ours.state == GateState::kOpening) ours.state = ours.is_stale ? GateState::kOpen : GateState::kClosed;
    ours.order.clear();
    ours.logging_in.reset();
  }
  claims_.reset();
  empty_looks_ = 0;
}

bool DrainRun::is_turning() const {
  return std::any_of(our_gates_.begin(), our_gates_.end(),
                     [](const auto& ours) { return !ours.second.order.empty(); });
}

bool DrainRun::has_gate_to_open() const {
  return has_gate() && std::any_of(our_gates_.begin(), our_gates_.end(), [this](const auto& entry) {
           return !entry.second.order.empty() || has_to_open(entry.second);
         });
}

void DrainRun::end(std::string why, bool even_if_held) {
  for (auto& entry : our_gates_) {
    entry.second.not_before.reset();
    entry.second.failures = 0;
  }
  if (is_ending_) return;
  is_ending_ = true;
  gives_back_ = even_if_held;
  end_reason_ = std::move(why);
}

DrainActions DrainRun::advance(Ledger& ledger, Now now) {
  next_due_.reset();
  progress_.gives_up.reset();
  if (phase_ == DrainPhase::kDone) return std::exchange(actions_, {});
  begin(now);
  if ((now.server >= window_.end || now.monotonic >= over_) && !is_ending_) end("its time is over");
  if (!is_ending_) due_by(window_.end);
  if (!is_ending_) due_by(over_, now);
  expire_orders(now);
  if (is_ending_) {
    open_gates(ledger, now);
  } else {
    close_gates(ledger, now);
    give_up_if_due(now);
  }
  set_phase(now);
  return std::exchange(actions_, {});
}

void DrainRun::begin(Now now) {
  if (std::exchange(has_begun_, true)) return;
  progress_.began = now.server;
  over_ = now.monotonic + (window_.end - now.server) + kDrift;
  if (plan_.reopens) progress_.ends = window_.end;
  tell(drain_began_event(plan_, window_, is_joined_));
}

void DrainRun::give_up_if_due(Now now) {
  if (!plan_.give_up || progress_.was_emptied || progress_.gave_up) return;
  const auto at = since_.value_or(progress_.began) + plan_.give_up->after;
  if (now.server < at) {
    progress_.gives_up = at;
    return due_by(at);
  }
  // an instance that took over cannot know yet, and the database may be about to be empty: looks are under
  // way
  if (since_ && (!claims_ || empty_looks_ > 0)) return;
  progress_.gave_up = true;
  tell(drain_gave_up_event(plan_, progress_));
  switch (plan_.give_up->then) {
    case GiveUpAction::kReopen:
      return end("it gave up", true);
    case GiveUpAction::kHold:
      holds_still_ = true;
      return;
    case GiveUpAction::kAlert:
      return;
  }
}

void DrainRun::set_phase(Now now) {
  auto phase = DrainPhase::kGating;
  progress_.next_step.reset();
  if (is_ending_) {
    phase = DrainPhase::kReopening;
  } else if (since_ && is_empty_) {
    phase = DrainPhase::kEmpty;
  } else if (since_) {
    phase = DrainPhase::kWaiting;
    for (std::size_t step = 0; step < plan_.escalate.size(); ++step) {
      const auto due = due_of(plan_, *since_, step);
      if (due > now.server) {
        progress_.next_step = due;
        due_by(due);
        break;
      }
      const bool cancels = plan_.escalate[step].kind == StepKind::kCancel;
      phase = cancels ? DrainPhase::kCancelling : DrainPhase::kTerminating;
    }
  }
  phase_ = progress_.phase = phase;
  progress_.closed =
      static_cast<std::size_t>(std::count_if(our_gates_.begin(), our_gates_.end(), [](const auto& entry) {
        return entry.second.state != GateState::kOpen || entry.second.may_be_closed;
      }));
  tell_phase();
  const bool is_over = std::none_of(our_gates_.begin(), our_gates_.end(),
                                    [this](const auto& entry) { return has_to_open(entry.second); });
  if (is_ending_ && is_over && !is_turning()) finish(now);
}

/// Not before a look and a reading of the gates, which show the remaining sessions.
void DrainRun::tell_phase() {
  const bool is_of_sessions = phase_ == DrainPhase::kWaiting || phase_ == DrainPhase::kCancelling ||
                              phase_ == DrainPhase::kTerminating;
  if (phase_ == told_phase_ || (is_of_sessions && (!claims_ || !knows_who_logs_in()))) return;
  told_phase_ = phase_;
  if (is_of_sessions) tell(drain_phase_event(plan_, progress_));
}

void DrainRun::finish(Now now) {
  phase_ = progress_.phase = DrainPhase::kDone;
  needs_gates_ = false;
  next_due_.reset();
  tell(drain_done_event(plan_, progress_, {end_reason_, since_.has_value(), leaves_closed()},
                        now.server - progress_.began));
}

std::optional<Duration> DrainRun::look_interval() const {
  if (phase_ == DrainPhase::kDone || is_ending_) return std::nullopt;
  const bool is_hot = phase_ == DrainPhase::kCancelling || phase_ == DrainPhase::kTerminating ||
                      (phase_ == DrainPhase::kWaiting && (empty_looks_ > 0 || !claims_));
  return is_hot && !rehearses() && !holds_still_ ? kHotLook : kCalmLook;
}

}  // namespace pgcurfew
