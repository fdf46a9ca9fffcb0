#include "engine/judge.hpp"

#include <algorithm>

namespace pgcurfew {

namespace {

const std::optional<std::string>* text_of(const Session& session, Field field) {
  switch (field) {
    case Field::kDatabase:
      return &session.database;
    case Field::kUser:
      return &session.user;
    case Field::kApplicationName:
      return &session.application_name;
    case Field::kWaitEventType:
      return &session.wait_event_type;
    case Field::kWaitEvent:
      return &session.wait_event;
    case Field::kQuery:
      return &session.query;
    default:
      return nullptr;
  }
}

struct Holds {
  const Session& session;
  Field field;

  bool operator()(const TextTest& test) const {
    const auto* text = text_of(session, field);
    if (text == nullptr || !text->has_value()) return false;
    return std::any_of(test.any_of.begin(), test.any_of.end(),
                       [&](const TextPattern& pattern) { return pattern.matches(**text); });
  }
  bool operator()(const AddressTest& test) const {
    return std::any_of(test.any_of.begin(), test.any_of.end(), [&](const AddressPattern& pattern) {
      if (pattern.is_local()) return session.is_local;
      return session.client_addr.has_value() && pattern.matches(*session.client_addr);
    });
  }
  bool operator()(const BackendTypeTest& test) const {
    return std::find(test.any_of.begin(), test.any_of.end(), session.backend_type) != test.any_of.end();
  }
  bool operator()(const StateTest& test) const {
    return session.state.has_value() &&
           std::find(test.any_of.begin(), test.any_of.end(), *session.state) != test.any_of.end();
  }
  bool operator()(const XminAgeTest& test) const {
    return session.xmin_age.has_value() && *session.xmin_age >= test.at_least;
  }
  bool operator()(const BlocksTest& test) const { return session.blocks.size() >= test.at_least; }
  bool operator()(const QueryIdTest& test) const {
    return session.query_id.has_value() &&
           std::find(test.any_of.begin(), test.any_of.end(), *session.query_id) != test.any_of.end();
  }
};

bool names_active(const Condition& condition) {
  const auto* states = std::get_if<StateTest>(&condition.test);
  return states != nullptr &&
         std::find(states->any_of.begin(), states->any_of.end(), State::kActive) != states->any_of.end();
}

/// Whether a condition that fails now can come to hold while the anchor stands still. A query_start stays
/// where it is while its session goes from active to idle, and never the other way round.
bool can_begin_to_hold(const Condition& condition, Clock anchor, const Session& session) {
  switch (condition.field) {
    case Field::kWaitEventType:
    case Field::kWaitEvent:
      return true;
    case Field::kState:
      if (anchor == Clock::kQueryAge) return session.state == State::kActive && !names_active(condition);
      return anchor != Clock::kStateAge;
    case Field::kApplicationName:
    case Field::kQuery:
    case Field::kQueryId:
      return anchor == Clock::kTransactionAge || anchor == Clock::kSessionAge;
    default:
      return false;
  }
}

bool changes_with_state(Field field) {
  switch (field) {
    case Field::kState:
    case Field::kWaitEventType:
    case Field::kWaitEvent:
    case Field::kQuery:
    case Field::kQueryId:
      return true;
    default:
      return false;
  }
}

bool rests_on_a_wait(const Match& match) {
  return std::any_of(match.conditions.begin(), match.conditions.end(), [](const Condition& condition) {
    return condition.field == Field::kWaitEvent || condition.field == Field::kWaitEventType;
  });
}

/// Fills in when the rule's ages are all reached. False if a timestamp is NULL: it never matches.
bool find_due(const Rule& rule, const Session& session, const ClockSteps& steps, Judgement& judgement) {
  const auto anchor = anchor_of(session, anchor_clock_of(rule));
  if (rule.match.ages.empty()) {
    judgement.anchor = anchor.value_or(session.key.backend_start);
    judgement.clock = anchor ? anchor_clock_of(rule) : Clock::kSessionAge;
    judgement.clock_start = judgement.anchor;
    judgement.due = steps.end_of(judgement.anchor, Duration(0));
    return true;
  }
  if (!anchor) return false;
  judgement.anchor = *anchor;
  bool first = true;
  for (const auto& age : rule.match.ages) {
    const auto start = anchor_of(session, age.clock);
    if (!start) return false;
    const auto limit = limit_for(age, judgement.exception);
    const auto due = steps.end_of(*start, limit);
    if (first || due > judgement.due) {
      judgement.due = due;
      judgement.clock = age.clock;
      judgement.clock_start = *start;
      judgement.limit = limit;
    }
    first = false;
  }
  return true;
}

}  // namespace

bool holds(const Condition& condition, const Session& session) {
  return std::visit(Holds{session, condition.field}, condition.test);
}

bool may_fit(const Match& match, const Session& session) {
  return std::all_of(match.conditions.begin(), match.conditions.end(), [&](const Condition& condition) {
    if (condition.field == Field::kDatabase && session.has_nameless_database) return true;
    if (condition.field == Field::kUser && session.has_nameless_user) return true;
    return holds(condition, session);
  });
}

Immunity immunity_of(const Policy& policy, const Session& session) {
  if (session.is_own) return Immunity::kOwn;
  if (session.leader_pid || session.backend_type == "parallel worker") return Immunity::kParallelWorker;
  if (session.backend_type == "walsender" || session.backend_type == "walreceiver" ||
      session.backend_type.starts_with("logical replication")) {
    return Immunity::kReplication;
  }
  if (session.wait_event == "SyncRep") return Immunity::kSyncRep;
  for (const auto& match : policy.protect) {
    if (may_fit(match, session)) return Immunity::kProtected;
  }
  return Immunity::kNone;
}

Clock anchor_clock_of(const Rule& rule) {
  if (!rule.match.ages.empty()) return rule.match.ages.front().clock;
  const auto& conditions = rule.match.conditions;
  const bool looks_at_state =
      std::any_of(conditions.begin(), conditions.end(),
                  [](const Condition& condition) { return changes_with_state(condition.field); });
  return looks_at_state ? Clock::kStateAge : Clock::kSessionAge;
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
  return std::none_of(policy.protect.begin(), policy.protect.end(),
                      [&](const Match& match) { return !rests_on_a_wait(match) && may_fit(match, session); });
}

Judgement judge(const Rule& rule, const Session& session, const ClockSteps& steps) {
  Judgement judgement;
  const auto anchor = anchor_clock_of(rule);
  bool fails_for_now = false;
  for (const auto& condition : rule.match.conditions) {
    if (holds(condition, session)) continue;
    if (!can_begin_to_hold(condition, anchor, session)) return judgement;
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
    // the limit that the rule has without the exception: it may not fit for long
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

bool can_be_cancelled(const Session& session) {
  return session.state == State::kActive || session.state == State::kFastpathFunctionCall;
}

}  // namespace pgcurfew
