#include "watch/watch.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "engine/narrate.hpp"
#include "engine/settle.hpp"
#include "watch/narrate_server.hpp"

namespace pgcurfew {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFirstBackOff = milliseconds(500);
/// The wait before a look for the effect of a signal; doubles until everything is settled.
constexpr Duration kFirstVerify = milliseconds(250);
constexpr Duration kLastVerify = seconds(5);
constexpr Duration kPendingInterval = seconds(1);
/// The minimum time between two looks.
constexpr Duration kShortestPause = milliseconds(50);
constexpr Duration kNamesPause = seconds(30);
/// A clock sample of at most this age is recent enough when something falls due.
constexpr Duration kFreshSample = seconds(5);
constexpr Duration kPulseBeforeDue = seconds(1);

void earlier(std::optional<MonotonicTime>& time, MonotonicTime other) {
  time = std::min(time.value_or(other), other);
}

/// Whether a happening can only come from an open connection.
struct IsOfConnection {
  template <class What>
  bool operator()(const What& /*what*/) const {
    return std::is_same_v<What, happening::LookTaken> || std::is_same_v<What, happening::LookFailed> ||
           std::is_same_v<What, happening::Pulsed> || std::is_same_v<What, happening::PulseFailed> ||
           std::is_same_v<What, happening::GatesRead> || std::is_same_v<What, happening::GatesFailed>;
  }
};

}  // namespace

Watch::Watch(std::shared_ptr<const Policy> policy, Options options)
    : policy_(std::move(policy)),
      look_plan_(plan_looks(*policy_)),
      options_(std::move(options)),
      random_(options_.seed),
      drains_(options_.instance) {
  ledger_.prefix = options_.decision_prefix;
  drains_.take_policy(policy_);
  note_holds();
}

std::vector<Command> Watch::on(Happening what, MonotonicTime now, WallTime wall) {
  moment_ = {now, wall};
  // results of a lost connection are ignored
  if (link_ == Link::kUp || !std::visit(IsOfConnection(), what)) {
    std::visit([&](auto& kind) { handle(kind, now); }, what);
  }
  note_holds();
  // many replies come at the same time: one decision for all of them follows at the next wake-up, which is
  // immediate
  advance(now, !std::holds_alternative<happening::Replied>(what) &&
                   !std::holds_alternative<happening::Appended>(what));
  if (holds_.has(Hold::kStopping)) {
    tell(end_all(ledger_, End::kStopped, clock_.is_known() ? std::optional(clock_.at(now)) : std::nullopt));
  }
  reckon_wake_at(now);
  return std::exchange(commands_, {});
}

void Watch::tell(Event event) {
  event.id = fmt::format("{}.{}", options_.decision_prefix, ++told_);
  event.server = options_.server;
  event.wall_time = moment_.wall;
  if (clock_.is_known()) event.server_time = clock_.at(moment_.now);
  if (event.kind == Kind::kIntent || event.kind == Kind::kGateIntent) note_intent(event);
  commands_.emplace_back(command::Append{std::move(event), told_});
}

void Watch::tell(std::vector<Event> events) {
  for (auto& event : events) tell(std::move(event));
}

void Watch::handle(const happening::Tick&, MonotonicTime) {}

void Watch::handle(const happening::Connected& what, MonotonicTime now) {
  if (link_ != Link::kConnecting) return;
  if (!facts_ || facts_->postmaster_start != what.facts.postmaster_start) {
    forget_server();
    clock_.reset();
  }
  facts_ = what.facts;
  link_ = Link::kUp;
  connected_at_ = now;
  drains_.connected();
  next_look_ = now;
  tell(server_up_event(options_.server, *facts_, outage_.end(now)));
  tell(missing_privileges(*facts_));
  set_hold(Hold::kNoReadAllStats, !facts_->can_read_all_stats);
  set_hold(Hold::kNoSignal, facts_->lacks_signal());
  try_server_log();
}

void Watch::handle(const happening::ConnectionLost& what, MonotonicTime now) {
  if (link_ != Link::kDown) go_down(what.error, now);
}

void Watch::go_down(const Error& error, MonotonicTime now) {
  link_ = Link::kDown;
  note_holds();
  // full jitter in the upper half, so that many daemons do not reconnect at the same time
  const auto ceiling = std::min<Duration>(kLongestBackOff, kFirstBackOff * (1 << std::min(failures_, 10)));
  const auto wait =
      ceiling / 2 +
      Duration(static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(ceiling.count() / 2 + 1)));
  ++failures_;
  retry_at_ = now + wait;
  look_.reset();
  look_sent_.reset();
  look_is_outdated_ = false;
  pulse_sent_.reset();
  next_due_.reset();
  decide_at_.reset();
  if (const auto lasted = outage_.fail(now)) tell(server_down_event(options_.server, error, wait, *lasted));
  settle_as_unknown("the connection was lost before the reply", now);
  drains_.connection_lost();
  ledger_.denied.clear();
  wait_memory_.lose_sight();
}

void Watch::settle_as_unknown(std::string_view why, MonotonicTime now) {
  Reply unknown;
  unknown.error.message = why;
  const auto is_turn = [](const Outbox::Waiting& waiting) {
    return std::holds_alternative<GateOrder>(waiting.order);
  };
  take_back(outbox_.take_unwanted(is_turn), why, now);
  // gates are read again over the next connection, whether they were turned or not
  outbox_.take_all();
  const auto server_now = clock_.is_known() ? clock_.at(now) : ServerTime{};
  for (const auto& entry : std::exchange(in_flight_, {})) {
    tell(settle_reply(entry.second.order, unknown, ledger_, server_now, now));
  }
}

void Watch::forget_server() {
  for (const auto& [key, episode] : ledger_.episodes) {
    if (!episode.awaits_verification || episode.is_carried) continue;
    // another server, or a restart of the same one: the end of the session was not seen
    tell(verified_event(key, episode, "unseen"));
  }
  tell(end_all(ledger_, End::kConnectionLost, std::nullopt));
  ledger_.episodes.clear();
  ledger_.touched.clear();
  wait_memory_.forget();
  prepared_.forget();
  spared_blockers_.forget();
  holds_.forget_server();
}

void Watch::handle(happening::LookTaken& what, MonotonicTime now) {
  if (!look_sent_) return;
  look_durations_.add(now - *look_sent_);
  observe_clock(*look_sent_, now, what.look.taken_at, true);
  look_sent_.reset();
  last_look_ = now;
  last_look_wall_ = moment_.wall;
  failures_ = 0;
  failed_looks_ = 0;
  holds_.set(Hold::kLooksFail, false, now, moment_.wall);
  if (const auto lasted = blindness_.end(now)) tell(looks_again_event(options_.server, *lasted));
  if (std::exchange(look_is_outdated_, false)) {
    next_look_ = now;
    return;
  }
  if (facts_->in_recovery && !what.look.in_recovery) tell(promoted_event(options_.server));
  facts_->in_recovery = what.look.in_recovery;
  auto& look = what.look;
  look.under_way = std::clamp<Duration>(clock_.at(now) - look.taken_at, Duration(0), kReplyDeadline);
  wait_memory_.link(look);
  look_ = std::make_shared<const Look>(std::move(look));
  tell(prepared_.tell(*policy_, *look_));
  docket_ = make_docket(*policy_, *look_, clock_.steps());
  standings_ = {};
  drains_.take_look(*look_, ledger_, now_at(now));
  tell(settle_look(*policy_, *look_, docket_, drains_.claims(), ledger_));
  tell(spared_blockers_.tell(*policy_, *look_, docket_));
  note_hidden();
  note_waits();
  const bool is_news = look_->elder && look_->elder != elder_;
  // without rules, as in a drain or a reopening by hand beside the daemon, the older one does not matter
  if (is_news && !policy_->rules.empty()) tell(elder_event(options_.server, *look_->elder));
  elder_ = look_->elder;
  must_decide_ = true;
  schedule_next_look(now);
}

void Watch::handle(const happening::LookFailed& what, MonotonicTime now) {
  look_sent_.reset();
  look_is_outdated_ = false;
  const auto wait = std::min<Duration>(seconds(10), milliseconds(500) * (1 << std::min(failed_looks_, 8)));
  ++failed_looks_;
  holds_.set(Hold::kLooksFail, true, now, moment_.wall, {}, false);
  next_look_ = now + wait;
  if (const auto lasted = blindness_.fail(now)) tell(look_failed_event(options_.server, what.error, *lasted));
}

void Watch::handle(const happening::NamesFailed& what, MonotonicTime now) {
  names_failed_at_ = now;
  tell(names_failed_event(options_.server, what.error));
}

void Watch::handle(const happening::WaitsFailed& what, MonotonicTime /*now*/) {
  set_hold(Hold::kWaitsFail, true);
  tell(waits_failed_event(options_.server, what.error));
}

void Watch::handle(const happening::Pulsed& what, MonotonicTime now) {
  if (!pulse_sent_) return;
  observe_clock(*pulse_sent_, now, what.server_time, false);
  pulse_sent_.reset();
}

void Watch::handle(const happening::PulseFailed& what, MonotonicTime now) {
  pulse_sent_.reset();
  pulse_not_before_ = now + kPendingInterval;
  tell(pulse_failed_event(options_.server, what.error));
}

void Watch::handle(const happening::Replied& what, MonotonicTime now) {
  const auto found = in_flight_.find(what.decision);
  if (found == in_flight_.end()) return;
  const auto flight = std::move(found->second);
  in_flight_.erase(found);
  if (what.reply.server_time) observe_clock(flight.sent, now, *what.reply.server_time, false);
  settle_order(flight.order, what.reply, now);
}

/// Tells a missing privilege before the first signal, and lets the server load what it needs.
void Watch::try_server_log() {
  if (policy_->tells_server_log && link_ == Link::kUp) commands_.emplace_back(command::TellServerLog{});
}

void Watch::tell_server_log(const Order& order, MonotonicTime now) {
  if (policy_->tells_server_log && link_ == Link::kUp && now >= server_log_not_before_)
    commands_.emplace_back(command::TellServerLog{server_log_line(order)});
}

void Watch::handle(const happening::ServerLogFailed& what, MonotonicTime now) {
  // lines sent before the first failure was known fail, too
  if (now < server_log_not_before_) return;
  server_log_not_before_ = now + kServerLogPause;
  tell(server_log_failed_event(options_.server, what.error));
}

void Watch::settle_order(const Order& order, Reply reply, MonotonicTime now) {
  if (reply.kind == ReplyKind::kSignalled && order.is_beyond_us && !order.is_signal() &&
      order.step != StepKind::kAlert) {
    // a dry run checks everything but the server's permission
    reply.kind = ReplyKind::kDenied;
    reply.error = would_be_denied(look_.get(), order.guard.session);
  }
  drains_.count(order, reply);
  const auto replied_at = reply.server_time.value_or(clock_.is_known() ? clock_.at(now) : ServerTime{});
  tell(settle_reply(order, reply, ledger_, replied_at, now));
  if (order.is_signal() && reply.kind == ReplyKind::kSignalled) {
    ++signals_sent_;
    tell_server_log(order, now);
  }
  if (reply.kind == ReplyKind::kSignalled && order.drain.empty() && !order.if_still)
    overshoots_.add(replied_at - order.guard.not_before);
  // an alert or a dry run has no effect to look for, unless the session was not as expected
  const bool changed = order.is_signal() || reply.kind != ReplyKind::kSignalled;
  if (changed && !reply.is_to_be_tried_again()) schedule_look_after_orders(now);
  must_decide_ = true;
}

void Watch::handle(const happening::PolicyReplaced& what, MonotonicTime now) {
  take_back(outbox_.take_all(), "the policy was replaced", now);
  auto carried = carry_over(ledger_, *policy_, *what.policy);
  ledger_ = std::move(carried.ledger);
  tell(std::move(carried.events));
  const bool told_before = policy_->tells_server_log;
  policy_ = what.policy;
  if (!told_before) try_server_log();
  look_plan_ = plan_looks(*policy_);
  spared_blockers_.forget();
  if (!look_plan_.with_waits) set_hold(Hold::kWaitsFail, false);
  drains_.take_policy(policy_);
  look_.reset();
  next_due_.reset();
  decide_at_.reset();
  look_is_outdated_ = look_sent_.has_value();
  next_look_ = now;
}

void Watch::handle(const happening::StopAsked& what, MonotonicTime now) {
  is_stopping_ = true;
  take_back(outbox_.take_all(), "pgcurfew stops", now);
  drains_.stop(what.why);
  failures_ = 0;  // gates that must be opened should not wait long for a connection
  retry_at_ = std::min(retry_at_, now);
}

void Watch::handle(const happening::GivenUp&, MonotonicTime now) {
  is_stopping_ = true;
  is_given_up_ = true;
  settle_as_unknown("stopped before the reply", now);
}

void Watch::observe_clock(MonotonicTime sent, MonotonicTime now, ServerTime server_time, bool is_look) {
  const bool was_trusted = clock_.is_trusted();
  const auto sample = clock_.observe(sent, now, server_time, is_look);
  if (look_ && clock_.steps() != docket_.steps) {
    docket_ = make_docket(*policy_, *look_, clock_.steps());
    standings_ = {};
  }
  if (sample == ServerClockEstimate::Sample::kJumped) {
    tell(clock_jump_event(options_.server, clock_.last_jump()));
    next_look_ = std::min(next_look_, now + kPendingInterval);
  } else if (is_look && !clock_.is_trusted()) {
    next_look_ = now + kPendingInterval;
  } else if (!was_trusted && clock_.is_trusted() && look_) {
    tell(clock_trusted_event(options_.server));
  }
  must_decide_ = true;
}

void Watch::schedule_look_after_orders(MonotonicTime now) {
  verify_interval_ = kFirstVerify;
  next_look_ = std::min(next_look_, now + kFirstVerify);
}

void Watch::schedule_next_look(MonotonicTime now) {
  next_look_ = now + look_plan_.interval;
  if (docket_.pending_from && clock_.is_known()) {
    next_look_ = std::min(next_look_, std::max(now + kPendingInterval, clock_.when(*docket_.pending_from)));
  }
  if (!clock_.is_trusted()) next_look_ = std::min(next_look_, now + kPendingInterval);
  // rules that match by name did not see sessions of unknown name
  if (names_failed_at_ && now - *names_failed_at_ < kNamesPause)
    next_look_ = std::min(next_look_, now + kNamesPause);
  const bool unsettled =
      std::any_of(ledger_.episodes.begin(), ledger_.episodes.end(), [&](const auto& entry) {
        const auto& episode = entry.second;
        // once reported as still there, nothing changes before the next step, or the ladder's end
        const bool waits_for_step = episode.told_still_there && episode.next_step < episode.steps;
        return episode.look_needed > docket_.look_number ||
               (episode.awaits_verification && !episode.is_closed && !waits_for_step);
      });
  if (!unsettled) return;
  verify_interval_ = std::min<Duration>(std::max(verify_interval_ * 2, kFirstVerify), kLastVerify);
  next_look_ = std::min(next_look_, now + verify_interval_);
}

void Watch::advance(MonotonicTime now, bool may_decide) {
  if (holds_.has(Hold::kGivenUp)) return;
  if (const auto at = connect_at(); at && now >= *at) {
    link_ = Link::kConnecting;
    connecting_since_ = now;
    commands_.emplace_back(command::Connect{});
    return;
  }
  check_deadlines(now);
  const bool may_advance_drains =
      (may_decide || holds_.has(Hold::kStopping)) && holds_.let(Activity::kDrains);
  // drains state their claims before orders are given, and signals are sent before gates are turned
  auto turns = may_advance_drains ? advance_drains(now) : std::vector<GateOrder>();
  if (may_decide) give_orders(now);
  if (may_advance_drains) turn_gates(std::move(turns), now);
  send_recorded(now);
  look_if_due(now);
  pulse_if_due(now);
}

/// Whether looks are taken: neither while the server is out of reach nor after a stop was requested.
bool Watch::is_watching() const {
  return !holds_.has(Hold::kDown) && !holds_.has(Hold::kStopping);
}

/// When to connect; empty unless the connection is down and is needed.
std::optional<MonotonicTime> Watch::connect_at() const {
  const bool is_wanted = !holds_.has(Hold::kStopping) || drains_.has_gate_to_open();
  return link_ == Link::kDown && is_wanted ? std::optional(retry_at_) : std::nullopt;
}

/// Sets the holds that follow from our own state. Those seen on the server are set where they are seen.
void Watch::note_holds() {
  const bool is_up = link_ == Link::kUp;
  const auto note = [&](Hold hold, bool stands) {
    holds_.set(hold, stands, moment_.now, moment_.wall, {}, false);
  };
  note(Hold::kDown, !is_up);
  note(Hold::kGivenUp, is_given_up_);
  note(Hold::kStopping, is_stopping_);
  note(Hold::kClockUnasked, is_up && !(clock_.is_known() && clock_.sampled_at() >= connected_at_));
  note(Hold::kClockJumped, clock_.is_known() && !clock_.is_trusted());
  const bool is_required = policy_->record.is_required;
  holds_.set(Hold::kRecordFails, is_record_behind() && !is_required, moment_.now, moment_.wall,
             record_trouble_, false);
  holds_.set(Hold::kRecordRequired, is_record_behind() && is_required, moment_.now, moment_.wall,
             record_trouble_ + "; it is required", false);
}

/// Breakers open and close only in a decision.
void Watch::note_breakers() {
  holds_.set(Hold::kBreakerOpen, ledger_.breaker.is_open(), moment_.now, moment_.wall, {}, false);
  const auto tenants = ledger_.breaker.open_tenants();
  holds_.set(Hold::kTenantBreakerOpen, tenants > 0, moment_.now, moment_.wall,
             fmt::format("breaker open for {} tenant{}", tenants, tenants == 1 ? "" : "s"), false);
}

/// For holds that are seen on the server and have no other event for their end. `is_told`: an event has
/// reported the beginning.
void Watch::set_hold(Hold hold, bool stands, std::string text, bool is_told) {
  const auto lasted = holds_.set(hold, stands, moment_.now, moment_.wall, std::move(text), is_told);
  if (lasted) tell(hold_over_event(options_.server, hold, *lasted));
}

/// A look in which no session waits does not show whether waits can be read.
void Watch::note_waits() {
  const bool anybody_waits = std::any_of(look_->sessions.begin(), look_->sessions.end(), waits_for_lock);
  if (look_->waits_failed) {
    set_hold(Hold::kWaitsFail, true, {}, false);
  } else if (anybody_waits && look_plan_.with_waits) {
    set_hold(Hold::kWaitsFail, false);
  }
}

/// Without pg_read_all_stats, a look without hidden sessions does not show that none can be hidden.
void Watch::note_hidden() {
  if (look_->hidden > 0) {
    if (!holds_.has(Hold::kHidden)) tell(blind_event(look_->hidden));
    set_hold(Hold::kHidden, true, fmt::format("{} sessions hidden", look_->hidden));
  } else if (facts_->can_read_all_stats) {
    set_hold(Hold::kHidden, false);
  }
  if (docket_.nameless > 0 && !holds_.has(Hold::kNameless)) tell(nameless_event(docket_.nameless));
  set_hold(Hold::kNameless, docket_.nameless > 0,
           fmt::format("{} sessions of unknown name", docket_.nameless));
}

std::optional<MonotonicTime> Watch::earliest_deadline() const {
  std::optional<MonotonicTime> deadline;
  if (link_ == Link::kConnecting) return connecting_since_ + kConnectDeadline;
  if (look_sent_) earlier(deadline, *look_sent_ + kReplyDeadline);
  if (pulse_sent_) earlier(deadline, *pulse_sent_ + kReplyDeadline);
  for (const auto& entry : in_flight_) earlier(deadline, entry.second.sent + kReplyDeadline);
  return deadline;
}

void Watch::check_deadlines(MonotonicTime now) {
  const auto deadline = earliest_deadline();
  if (!deadline || now < *deadline) return;
  commands_.emplace_back(command::Disconnect{});
  go_down(
      failure(link_ == Link::kConnecting ? fmt::format("no connection within {}", to_text(kConnectDeadline))
                                         : fmt::format("no reply within {}", to_text(kReplyDeadline)))
          .value(),
      now);
}

void Watch::look_if_due(MonotonicTime now) {
  if (!is_watching() || look_sent_ || now < next_look_) return;
  look_sent_ = now;
  commands_.emplace_back(command::TakeLook{++ledger_.looks_sent, look_plan_.texts, look_plan_.with_waits});
}

std::optional<MonotonicTime> Watch::pulse_at() const {
  if (!is_watching() || !clock_.is_known() || pulse_sent_ || look_sent_) return std::nullopt;
  auto at = clock_.sampled_at() + kLongestSilence;
  if (next_due_) {
    at =
        std::min(at, std::max(clock_.sampled_at() + kFreshSample, clock_.when(*next_due_) - kPulseBeforeDue));
  }
  return std::max(at, pulse_not_before_);
}

void Watch::pulse_if_due(MonotonicTime now) {
  const auto at = pulse_at();
  if (!at || now < *at) return;
  pulse_sent_ = now;
  commands_.emplace_back(command::TakePulse{});
}

void Watch::give_orders(MonotonicTime now) {
  if (!look_ || !holds_.let(Activity::kRules)) return;
  const auto server_now = clock_.at(now);
  const bool due =
      (next_due_ && server_now >= *next_due_) || (decide_at_ && now >= *decide_at_) || !drains_.is_idle();
  if (!must_decide_ && !due) return;
  must_decide_ = false;
  auto decision = decide(*policy_, *look_, docket_, drains_.claims(), ledger_, {server_now, now});
  next_due_ = decision.next_due;
  decide_at_ = decision.wake;
  tell(std::move(decision.events));
  standings_ = std::move(decision.standings);
  note_breakers();
  // no more than once a second, because replies may take as long as that
  if (decision.look_now) next_look_ = std::min(next_look_, std::max(now, last_look_ + kPendingInterval));
  if (decision.look_at_once) next_look_ = std::min(next_look_, std::max(now, last_look_ + kShortestPause));
  if (decision.look_again) next_look_ = std::min(next_look_, now + kPendingInterval);
  if (decision.orders.empty()) return;
  for (auto& order : decision.orders) {
    in_flight_[order.decision] = {order, now};
    note_waiting(order, ledger_);
    const auto intent = take_intent(order.decision);
    outbox_.put(std::move(order), intent, now);
  }
}

void Watch::reckon_wake_at(MonotonicTime now) {
  wake_at_.reset();
  if (holds_.has(Hold::kGivenUp)) return;
  if (link_ == Link::kDown) {
    wake_at_ = connect_at();
    return;
  }
  wake_at_ = earliest_deadline();
  if (const auto at = outbox_.overdue_at(patience())) earlier(wake_at_, *at);
  reckon_drains_wake_at(now);
  if (!is_watching()) return;
  if (!look_sent_) earlier(wake_at_, next_look_);
  if (const auto at = pulse_at()) earlier(wake_at_, *at);
  if (look_ && holds_.let(Activity::kRules)) {
    if (must_decide_) earlier(wake_at_, now);
    if (next_due_) earlier(wake_at_, clock_.when(*next_due_));
    if (decide_at_) earlier(wake_at_, *decide_at_);
  }
}

}  // namespace pgcurfew
