#include "engine/judge.hpp"

#include <algorithm>

#include "engine/blockers.hpp"

namespace pgcurfew {

namespace {

bool names_active(const Condition& condition) {
  const auto* states = std::get_if<StateTest>(&condition.test);
  return states != nullptr &&
         std::find(states->any_of.begin(), states->any_of.end(), State::kActive) != states->any_of.end();
}

bool is_anchored_at_state(AnchorKind anchor) {
  return anchor == AnchorKind::kStateChange || anchor == AnchorKind::kStateChangeIfAny;
}

/// Whether a condition that fails now can come to hold while the anchor stays the same. query_start stays the
/// same when a session goes from active to idle, but never the other way round.
bool can_begin_to_hold(const Condition& condition, AnchorKind anchor, const Match& match,
                       const Session& session) {
  // a look within the rule's time shows the session
  if (condition.field == Field::kBlocks) return !gives_waits_time(match);
  switch (entry_of(condition.field).change) {
    case Change::kNever:
      return false;
    case Change::kWithState:
      if (anchor == AnchorKind::kQueryStart) {
        return session.state == State::kActive && !names_active(condition);
      }
      return !is_anchored_at_state(anchor);
    case Change::kAtAnyStatement:
    case Change::kWithQuery:
    case Change::kWithinStatement:
      // a value that changes within a statement is left to the regular looks: otherwise each long statement
      // with another value would need a look every second
      return !is_anchored_at_state(anchor) && anchor != AnchorKind::kQueryStart;
    case Change::kAtAnyMoment:
      break;
  }
  return true;
}

/// Whether a field says what the session does, which changes with its state if not sooner.
bool changes_with_state(Field field) {
  switch (entry_of(field).change) {
    case Change::kNever:
    case Change::kAtAnyStatement:
      return false;
    case Change::kWithQuery:
    case Change::kWithinStatement:
    case Change::kWithState:
    case Change::kAtAnyMoment:
      break;
  }
  return true;
}

bool rests_on_a_wait(const Match& match) {
  return std::any_of(match.conditions.begin(), match.conditions.end(), [](const Condition& condition) {
    return condition.field == Field::kWaitEvent || condition.field == Field::kWaitEventType;
  });
}

/// Fills in when all of the rule's ages are reached. False if a timestamp is NULL: then the rule never
/// matches.
bool find_due(const Rule& rule, const Session& session, const ClockSteps& steps, Judgement& judgement) {
  const auto anchor = anchor_of(rule, session);
  if (!anchor) return false;
  judgement.anchor = anchor->time;
  bool has_any = false;
  const auto wait_for = [&](Clock clock, ServerTime start, Duration limit) {
    const auto due = steps.end_of(start, limit);
    if (!has_any || due > judgement.due) {
      judgement.due = due;
      judgement.clock = clock;
      judgement.clock_start = start;
      judgement.limit = limit;
      judgement.is_waiters_age = false;
    }
    has_any = true;
  };
  for (const auto& age : rule.match.ages) {
    const auto start = start_of(rule, session, age.clock);
    if (!start) return false;
    wait_for(age.clock, *start, limit_for(age, judgement.exception));
  }
  const auto blocking = blocking_of(rule.match);
  if (blocking.waiter_blocked_for) {
    const auto since = waiting_since(blocking, session);
    if (!since) return false;
    const bool is_last = !has_any || steps.end_of(*since, *blocking.waiter_blocked_for) > judgement.due;
    wait_for(Clock::kBlocksFor, *since, *blocking.waiter_blocked_for);
    judgement.is_waiters_age = is_last;
  }
  if (!has_any) wait_for(anchor->clock, anchor->time, Duration(0));
  return true;
}

}  // namespace

Immunity immunity_of(const Policy& policy, const Session& session, ClaimantKind from) {
  if (session.is_own) return Immunity::kOwn;
  if (session.leader_pid || session.backend_type == "parallel worker") return Immunity::kParallelWorker;
  if (session.backend_type == "walsender" || session.backend_type == "walreceiver" ||
      session.backend_type.starts_with("logical replication")) {
    return Immunity::kReplication;
  }
  if (session.wait_event == "SyncRep" && !is_switched_off(policy, protection::kSyncRep))
    return Immunity::kSyncRep;
  return protection_of(policy, session, from) != nullptr ? Immunity::kProtected : Immunity::kNone;
}

const Match* protection_of(const Policy& policy, const Session& session, ClaimantKind from) {
  for (const auto& match : policy.protect) {
    if (match.protection == protection::kSyncRep) continue;
    if (match.protection == protection::kListeners && from == ClaimantKind::kDrain) continue;
    if (may_fit(match, session)) return &match;
  }
  return nullptr;
}

bool is_switched_off(const Policy& policy, std::string_view protection) {
  return std::find(policy.unprotect.begin(), policy.unprotect.end(), protection) != policy.unprotect.end();
}

AnchorKind anchor_kind_of(const Rule& rule) {
  bool is_blocked = false;
  for (const auto& age : rule.match.ages) {
    switch (age.clock) {
      case Clock::kBlockedFor:
        is_blocked = true;
        break;
      case Clock::kBlocksFor:
        break;
      case Clock::kStateAge:
        return AnchorKind::kStateChange;
      case Clock::kQueryAge:
        return AnchorKind::kQueryStart;
      case Clock::kTransactionAge:
        return AnchorKind::kXactStart;
      case Clock::kSessionAge:
        return AnchorKind::kBackendStart;
    }
  }
  if (is_blocked) return AnchorKind::kQueryStart;
  if (!rule.match.ages.empty()) return AnchorKind::kTransaction;
  const auto reads = [&](auto predicate) {
    return std::any_of(rule.match.conditions.begin(), rule.match.conditions.end(), predicate);
  };
  if (reads([](const Condition& c) { return c.field == Field::kBlocks || c.field == Field::kXminAge; })) {
    return AnchorKind::kTransaction;
  }
  return reads([](const Condition& c) { return changes_with_state(c.field); }) ? AnchorKind::kStateChangeIfAny
                                                                               : AnchorKind::kBackendStart;
}

std::optional<Anchor> anchor_of(const Rule& rule, const Session& session) {
  const auto at = [](std::optional<ServerTime> time, Clock clock) {
    return time ? std::optional(Anchor{*time, clock}) : std::nullopt;
  };
  const Anchor session_start{session.key.backend_start, Clock::kSessionAge};
  switch (anchor_kind_of(rule)) {
    case AnchorKind::kStateChange:
      return at(session.state_change, Clock::kStateAge);
    case AnchorKind::kQueryStart:
      return at(session.query_start, Clock::kQueryAge);
    case AnchorKind::kXactStart:
      return at(session.xact_start, Clock::kTransactionAge);
    case AnchorKind::kStateChangeIfAny:
      return at(session.state_change, Clock::kStateAge).value_or(session_start);
    case AnchorKind::kTransaction:
      if (session.xact_start) return at(session.xact_start, Clock::kTransactionAge);
      return at(session.state_change, Clock::kStateAge).value_or(session_start);
    case AnchorKind::kBackendStart:
      break;
  }
  return session_start;
}

std::optional<ServerTime> start_of(const Rule& rule, const Session& session, Clock clock) {
  if (clock != Clock::kBlocksFor) return anchor_of(session, clock);
  return blocking_since(blocking_of(rule.match), session);
}

std::optional<double> connections_used(const Look& look, std::size_t client_backends) {
  if (look.connection_slots <= 0) return std::nullopt;
  return static_cast<double>(client_backends) / look.connection_slots;
}

bool holds(const When& when, const Look& look, std::size_t client_backends) {
  if (when.role && (*when.role == Role::kStandby) != look.in_recovery) return false;
  if (!when.connections_used) return true;
  const auto used = connections_used(look, client_backends);
  return used && *used >= *when.connections_used;
}

Duration limit_for(const AgeLimit& age, const Exception* exception) {
  if (exception != nullptr) {
    for (const auto& later : exception->match.ages) {
      if (later.clock == age.clock) return later.limit;
    }
  }
  return age.limit;
}

bool is_passing(Immunity immunity, const Policy& policy, const Session& session) {
  if (immunity == Immunity::kSyncRep) return true;
  if (immunity != Immunity::kProtected) return false;
  return std::none_of(policy.protect.begin(), policy.protect.end(), [&](const Match& match) {
    return match.protection != protection::kSyncRep && !rests_on_a_wait(match) && may_fit(match, session);
  });
}

Judgement judge(const Rule& rule, const Session& session, const ClockSteps& steps) {
  Judgement judgement;
  const auto anchor = anchor_kind_of(rule);
  bool fails_for_now = false;
  for (const auto& condition : rule.match.conditions) {
    if (holds(condition, session)) continue;
    if (!can_begin_to_hold(condition, anchor, rule.match, session)) return judgement;
    fails_for_now = true;
  }
  const auto blocking = blocking_of(rule.match);
  if (blocking.is_asked && !blocking.may_wait && is_held_up(session)) {
    // a blocking rule never ends a waiter; it can become a root blocker at any moment
    if (gives_waits_time(rule.match)) return judgement;
    fails_for_now = true;
  }
  if (!find_due(rule, session, steps, judgement)) return judgement;
  if (fails_for_now) judgement.could_be_due = judgement.due;
  const auto exception =
      std::find_if(rule.except.begin(), rule.except.end(),
                   [&](const Exception& candidate) { return may_fit(candidate.match, session); });
  if (exception != rule.except.end()) {
    judgement.exception = &*exception;
    const bool exempts = exception->match.ages.empty();
    // the rule's limit without the exception, which may soon no longer match
    if (rests_on_a_wait(exception->match)) {
      judgement.could_be_due = judgement.due;
    } else if (exempts) {
      judgement.could_be_due.reset();
    }
    if (exempts) {
      judgement.verdict = fails_for_now ? Verdict::kNoMatch : Verdict::kExempt;
      return judgement;
    }
    find_due(rule, session, steps, judgement);
    if (fails_for_now && !rests_on_a_wait(exception->match)) judgement.could_be_due = judgement.due;
  }
  judgement.verdict = fails_for_now ? Verdict::kPending : Verdict::kDue;
  return judgement;
}

const std::vector<State>& cancellable_states() {
  static const std::vector<State> kStates{State::kActive, State::kFastpathFunctionCall};
  return kStates;
}

bool can_be_cancelled(const Session& session) {
  const auto& states = cancellable_states();
  return session.state && std::find(states.begin(), states.end(), *session.state) != states.end();
}

}  // namespace pgcurfew
