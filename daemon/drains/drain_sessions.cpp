#include <utility>

#include <fmt/format.h>

#include "drains/drain_events.hpp"
#include "drains/drain_reach.hpp"
#include "drains/drain_run.hpp"

/// The part of a drain that claims sessions.
namespace pgcurfew {

namespace {

constexpr std::string_view kClientBackend = "client backend";
constexpr int kEarlyReadings = 5;

/// A parallel worker ends with its leader, and DROP DATABASE cancels autovacuum.
bool passes_by(const Session& session) {
  return session.backend_type == "parallel worker" || session.backend_type == "autovacuum worker";
}

}  // namespace

void DrainRun::take_look(const Policy& policy, const Look& look, const Ledger& ledger, Now now) {
  if (phase_ == DrainPhase::kDone) return;
  if (since_ && look.number <= looks_before_) return;
  claims_.emplace();
  claims_->look_number = look.number;
  others_.clear();
  progress_.remaining.clear();
  progress_.has_looked = true;
  progress_.hidden = look.hidden;
  std::vector<const Session*> unplaced;
  for (std::size_t i = 0; i < look.sessions.size(); ++i) {
    const auto& session = look.sessions[i];
    if (session.is_own) continue;
    if (session.has_nameless_database && session.backend_type == kClientBackend) unplaced.push_back(&session);
    if (!is_in_drained_database(session)) continue;
    if (session.backend_type != kClientBackend) {
      if (!passes_by(session))
        others_.push_back(fmt::format("pid {} ({})", session.key.pid, session.backend_type));
      continue;
    }
    take_session(policy, session, i, ledger);
  }
  for (const auto* session : unplaced) note_remaining(*session, "the name of its database is not known");
  if (since_) count_empty_look(now);
}

void DrainRun::take_session(const Policy& policy, const Session& session, std::size_t index,
                            const Ledger& ledger) {
  if (is_excepted(plan_, session)) {
    if (session.has_nameless_user)
      note_remaining(session, "perhaps excepted: the name of its role is not known");
    return;
  }
  auto reason = why_left_alone(policy, session);
  if (reason.empty()) claims_->sessions.push_back(index);
  if (reason.empty() && ledger.denied.contains(session.key)) reason = "denied";
  note_remaining(session, std::move(reason));
}

DrainClaims DrainRun::claims() const {
  auto claims = claims_.value_or(DrainClaims{});
  claims.drain = &plan_;
  claims.run = number_;
  // in another server, or meanwhile, the gates may be open; or a PgBouncer has lost one
  const bool may_signal = !is_ending_ && !holds_still_ && (!has_gate() || (all_known() && all_closed()));
  if (may_signal) claims.since = since_;
  claims.were_emptied = was_emptied_since_;
  return claims;
}

bool DrainRun::is_in_drained_database(const Session& session) const {
  return session.database && our_gates_.contains(*session.database);
}

/// Let in after the gates closed: a superuser, or there is no gate.
bool DrainRun::is_latecomer(const Session& session) const {
  return since_ && session.key.backend_start > *since_;
}

/// Why the drain will not end the session; empty if it will.
std::string DrainRun::why_left_alone(const Policy& policy, const Session& session) const {
  if (auto reason = why_protected(policy, session); !reason.empty()) return reason;
  return is_latecomer(session) && !plan_.terminates_latecomers ? "latecomer" : "";
}

void DrainRun::note_remaining(const Session& session, std::string reason) {
  progress_.remaining.push_back({session.key, session.database.value_or("?"), session.user,
                                 session.application_name, session.state, session.wait_event,
                                 std::move(reason)});
}

/// One look may miss a session that was just let in; a session that is hidden from us, or of unknown name,
/// may be in the database; a client that is logging in will be.
void DrainRun::count_empty_look(Now now) {
  const bool is_awaited = !progress_.logging_in.empty();
  const bool nobody = progress_.remaining.empty() && progress_.hidden == 0;
  // most clients log in within milliseconds
  if (nobody && is_awaited && ++early_readings_ <= kEarlyReadings) needs_gates_ = true;
  if (nobody && has_gate() && !all_closed())
    return;  // a gate was lost: looks count anew when it is closed again
  if (!nobody || is_awaited) {
    empty_looks_ = 0;
    if (std::exchange(is_empty_, false)) tell(drain_refilled_event(plan_, progress_));
    return;
  }
  if ((is_empty_ && was_emptied_since_) || ++empty_looks_ < kEmptyLooks || !knows_who_logs_in()) return;
  is_empty_ = was_emptied_since_ = true;
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

void DrainRun::count(const Order& order, const Reply& reply) {
  if (reply.kind != ReplyKind::kSignalled) return;
  (order.step == StepKind::kCancel ? progress_.cancelled : progress_.terminated) += 1;
}

}  // namespace pgcurfew
