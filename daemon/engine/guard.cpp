#include <algorithm>

#include "engine/blockers.hpp"
#include "engine/judge.hpp"
#include "engine/order.hpp"

namespace pgcurfew {

namespace {

/// Whether a session whose anchor has not changed may have come under a protection since. Built-in
/// protections by state and statement begin with another state, query or transaction.
bool can_have_come_under(const Match& protection, AnchorKind anchor) {
  if (anchor == AnchorKind::kBackendStart) return true;
  // a running LISTEN has ended, and its session is idle
  if (protection.protection == protection::kListeners) return anchor == AnchorKind::kQueryStart;
  return protection.protection != protection::kConcurrentIndex;
}

/// Whether a drain's guard checks a protection. A protection by the statement would always spare a client
/// that runs many short ones; and LISTEN is protected from rules only.
bool is_held_in_drains(const Match& protection) {
  return protection.protection != protection::kConcurrentIndex &&
         protection.protection != protection::kListeners;
}

class GuardMaker {
 public:
  GuardMaker(const Policy& policy, const std::vector<Exception>& except, const Session& session,
             StepBasis basis)
      : policy_(policy), except_(except), session_(session), basis_(basis) {
    guard_.session = session.key;
    guard_.backend_type = session.backend_type;
    guard_.may_wait_for_sync_rep = is_switched_off(policy, protection::kSyncRep);
  }

  Guard make_for(const Rule& rule) {
    const auto anchor = anchor_kind_of(rule);
    hold_clocks(rule, anchor);
    hold_names(rule);
    for (const auto& condition : rule.match.conditions) keep_holding(condition);
    hold_surroundings(rule);
    if (basis_.rests_on_state) hold_step();
    hold_groups(rule);
    keep_exceptions();
    keep_unprotected([&](const Match& match) { return can_have_come_under(match, anchor); });
    return std::move(guard_);
  }

  Guard make_for_drain() {
    guard_.database = session_.database;
    if (is_read(Field::kUser)) guard_.user = session_.user;
    keep_exceptions();
    keep_unprotected(is_held_in_drains);
    return std::move(guard_);
  }

 private:
  template <class IsHeld>
  void keep_unprotected(const IsHeld& is_held) {
    for (const auto& match : policy_.protect) {
      // the guard checks waiting commits separately
      if (match.protection != protection::kSyncRep && is_held(match)) keep_from_fitting(match);
    }
  }

  /// The anchor and the timestamps of the rule's ages must not have changed.
  void hold_clocks(const Rule& rule, AnchorKind anchor) {
    for (const auto& age : rule.match.ages) {
      if (age.clock == Clock::kStateAge) guard_.state_change = session_.state_change;
      if (age.clock == Clock::kQueryAge) guard_.query_start = session_.query_start;
      if (age.clock == Clock::kTransactionAge) guard_.xact_start = session_.xact_start;
    }
    switch (anchor) {
      case AnchorKind::kStateChange:
      case AnchorKind::kStateChangeIfAny:
        guard_.state_change = session_.state_change;
        break;
      case AnchorKind::kQueryStart:
        guard_.query_start = session_.query_start;
        break;
      case AnchorKind::kXactStart:
        guard_.xact_start = session_.xact_start;
        break;
      case AnchorKind::kTransaction:
        guard_.xact_start = session_.xact_start;
        if (!session_.xact_start) guard_.state_change = session_.state_change;
        break;
      case AnchorKind::kBackendStart:
        break;
    }
    holds_query_ = guard_.query_start.has_value();
    holds_state_ = guard_.state_change.has_value();
  }

  static bool reads(const Match& match, Field field) {
    return std::any_of(match.conditions.begin(), match.conditions.end(),
                       [&](const Condition& condition) { return condition.field == field; });
  }

  /// Whether an exception or a protection reads a field.
  [[nodiscard]] bool is_read(Field field) const {
    return std::any_of(except_.begin(), except_.end(),
                       [&](const Exception& exception) { return reads(exception.match, field); }) ||
           std::any_of(policy_.protect.begin(), policy_.protect.end(),
                       [&](const Match& match) { return reads(match, field); });
  }

  /// Names can change their owner, but no client can change its own.
  void hold_names(const Rule& rule) {
    const auto& per = rule.selection.per;
    const auto is_asked = [&](Field field) {
      return reads(rule.match, field) || is_read(field) ||
             (rule.selection.keep && std::find(per.begin(), per.end(), field) != per.end()) ||
             (rule.repeat && rule.repeat->per == field);
    };
    if (is_asked(Field::kDatabase)) guard_.database = session_.database;
    if (is_asked(Field::kUser)) guard_.user = session_.user;
  }

  /// The rule's conditions on locks, xmin and the server.
  void hold_surroundings(const Rule& rule) {
    const auto blocking = blocking_of(rule.match);
    if (blocking.is_asked) {
      guard_.edges = edges_of(blocking, session_);
      guard_.may_not_wait_for_lock = !blocking.may_wait;
    }
    if (blocking.may_wait) {
      guard_.query_start = session_.query_start;
      holds_query_ = true;
      guard_.texts[Field::kWaitEventType].fits = {TextPattern::exact("Lock")};
      // a statement may have got its lock and wait for another
      if (!session_.blockers.empty()) {
        guard_.edges.insert(guard_.edges.begin(),
                            {session_.key, session_.query_start, session_.blockers.front()});
        guard_.edges.resize(std::min(guard_.edges.size(), kMostBlockEdges));
      }
    }
    if (rule.when.role) guard_.in_recovery = *rule.when.role == Role::kStandby;
  }

  /// A cancel is for a session that it can affect; it was skipped for a session that it could not affect.
  void hold_step() {
    const auto& cancellable = cancellable_states();
    if (!can_be_cancelled(session_)) {
      guard_.spared_states.insert(guard_.spared_states.end(), cancellable.begin(), cancellable.end());
      return;
    }
    allow_states(cancellable);
  }

  /// The fields by which the session was counted.
  void hold_groups(const Rule& rule) {
    if (rule.selection.keep) {
      for (const auto field : rule.selection.per) hold_as_it_was(field);
    }
    if (rule.repeat) hold_as_it_was(rule.repeat->per);
  }

  /// The first matching exception sets the limit: those before it must not come to match, and it must still
  /// match, otherwise a later one could.
  void keep_exceptions() {
    for (const auto& exception : except_) {
      const auto& match = exception.match;
      if (!may_fit(match, session_)) {
        keep_from_fitting(match);
        continue;
      }
      if (keep_fitting(match)) return;
    }
  }

  /// False if the exception is no longer checked: then later ones matter, too.
  bool keep_fitting(const Match& match) {
    bool is_kept = true;
    for (const auto& condition : match.conditions) {
      if (!can_change(condition.field)) continue;
      const auto* texts = std::get_if<TextTest>(&condition.test);
      if (const auto* states = std::get_if<StateTest>(&condition.test)) {
        allow_states(states->any_of);
      } else if (texts != nullptr && is_simple(condition) && !guard_.texts[condition.field].fits) {
        guard_.texts[condition.field].fits = texts->any_of;
      } else {
        hold_as_it_was(condition.field);
        is_kept = is_kept && basis_.spared < kSparesBelieved;
      }
    }
    return is_kept;
  }

  void allow_states(const std::vector<State>& allowed) {
    auto states = guard_.states.value_or(allowed);
    std::erase_if(states, [&](State state) {
      return std::find(allowed.begin(), allowed.end(), state) == allowed.end();
    });
    guard_.states = std::move(states);
  }

  /// Whether a field can have changed though all that the guard holds so far has not.
  [[nodiscard]] bool can_change(Field field) const {
    switch (entry_of(field).change) {
      case Change::kNever:
        return false;
      case Change::kWithQuery:
        return !holds_query_;
      case Change::kWithState:
        return !holds_state_;
      case Change::kAtAnyStatement:
      case Change::kWithinStatement:
      case Change::kAtAnyMoment:
        break;
    }
    return true;
  }

  /// Holds a fact that SQL cannot judge; not for ever, otherwise a client that keeps changing it would never
  /// be signalled.
  void hold_as_it_was(Field field) {
    if (basis_.spared >= kSparesBelieved) return;
    if (is_guarded_text(field)) {
      guard_.texts[field].unchanged = *text_of(session_, field);
    } else if (is_guarded_number(field)) {
      guard_.numbers[field] = *number_of(session_, field);
    } else if (field == Field::kState) {
      if (session_.state) guard_.states = {*session_.state};
    } else if (entry_of(field).change == Change::kWithQuery) {
      guard_.query_start = session_.query_start;
    }
  }

  static bool is_simple(const TextTest& test) {
    return std::all_of(test.any_of.begin(), test.any_of.end(),
                       [](const TextPattern& pattern) { return pattern.as_like().has_value(); });
  }

  /// Whether SQL can check a condition.
  static bool is_simple(const Condition& condition) {
    if (const auto* texts = std::get_if<TextTest>(&condition.test)) {
      return is_guarded_text(condition.field) && is_simple(*texts);
    }
    return std::holds_alternative<StateTest>(condition.test);
  }

  /// A condition of the rule, which holds.
  void keep_holding(const Condition& condition) {
    if (const auto* xmin = std::get_if<XminAgeTest>(&condition.test)) guard_.xmin_age = xmin->at_least;
    if (const auto* states = std::get_if<StateTest>(&condition.test)) allow_states(states->any_of);
    if (!can_change(condition.field)) return;
    if (!is_simple(condition)) return hold_as_it_was(condition.field);
    if (const auto* texts = std::get_if<TextTest>(&condition.test)) {
      guard_.texts[condition.field].fits = texts->any_of;
    }
  }

  /// An exception or a protection that does not match.
  void keep_from_fitting(const Match& match) {
    std::vector<const Condition*> changing;
    for (const auto& condition : match.conditions) {
      if (can_change(condition.field)) {
        changing.push_back(&condition);
      } else if (!may_hold(condition, session_)) {
        return;
      }
    }
    if (changing.size() == 1) return keep_failing(*changing.front());
    // several that can change: one that fails now must still fail
    std::erase_if(changing, [&](const Condition* condition) { return holds(*condition, session_); });
    if (changing.empty() || basis_.spared >= kSparesBelieved) return;
    const auto simple = std::find_if(changing.begin(), changing.end(),
                                     [](const Condition* condition) { return is_simple(*condition); });
    keep_failing(simple == changing.end() ? *changing.front() : **simple);
  }

  void keep_failing(const Condition& condition) {
    if (const auto* states = std::get_if<StateTest>(&condition.test)) {
      auto& spared = guard_.spared_states;
      spared.insert(spared.end(), states->any_of.begin(), states->any_of.end());
    }
    const auto* texts = std::get_if<TextTest>(&condition.test);
    if (texts != nullptr && is_guarded_text(condition.field)) {
      for (const auto& pattern : texts->any_of) {
        if (pattern.as_like()) guard_.texts[condition.field].spares.push_back(pattern);
      }
    }
    if (!is_simple(condition)) hold_as_it_was(condition.field);
  }

  const Policy& policy_;
  const std::vector<Exception>& except_;
  const Session& session_;
  const StepBasis basis_;
  bool holds_query_ = false;  ///< the rule counts by the query
  bool holds_state_ = false;  ///< ... by the state
  Guard guard_;
};

}  // namespace

Guard make_guard(const Policy& policy, const Rule& rule, const Session& session, StepBasis basis) {
  return GuardMaker(policy, rule.except, session, basis).make_for(rule);
}

Guard make_guard(const Policy& policy, const Drain& drain, const Session& session, StepBasis basis) {
  return GuardMaker(policy, drain.except, session, basis).make_for_drain();
}

}  // namespace pgcurfew
