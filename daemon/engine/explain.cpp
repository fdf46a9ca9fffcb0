#include "engine/explain.hpp"

#include <fmt/format.h>

#include "base/duration.hpp"

namespace pgcurfew {

namespace {

std::string actual_of(const Session& session, Field field) {
  const auto text = [](const std::optional<std::string>& value) { return value.value_or("NULL"); };
  switch (field) {
    case Field::kDatabase:
      return text(session.database);
    case Field::kUser:
      return text(session.user);
    case Field::kApplicationName:
      return text(session.application_name);
    case Field::kClientAddr:
      return session.is_local ? "local" : session.client_addr ? to_text(*session.client_addr) : "NULL";
    case Field::kBackendType:
      return session.backend_type;
    case Field::kState:
      return session.state ? std::string(name_of(*session.state)) : "NULL";
    case Field::kWaitEventType:
      return text(session.wait_event_type);
    case Field::kWaitEvent:
      return text(session.wait_event);
    case Field::kQuery:
      return text(session.query);
    case Field::kQueryId:
      return session.query_id ? std::to_string(*session.query_id) : "NULL";
    default:
      return "NULL";
  }
}

ConditionFinding find_age(const AgeLimit& age, Duration limit, const Session& session, ServerTime now) {
  ConditionFinding finding;
  finding.field = name_of(age.clock);
  finding.wanted = to_text(limit);
  const auto start = anchor_of(session, age.clock);
  if (!start) {
    finding.actual = "NULL";
    return finding;
  }
  finding.actual = to_rough_text(now - *start);
  finding.margin = now - *start - limit;
  finding.holds = *finding.margin >= Duration(0);
  return finding;
}

RuleFinding find_rule(const Policy& policy, std::size_t index, const Session& session, ServerTime now) {
  const auto& rule = policy.rules[index];
  const auto judgement = judge(rule, session);
  RuleFinding finding;
  finding.rule = index;
  finding.verdict = judgement.verdict;
  for (const auto& condition : rule.match.conditions) {
    finding.conditions.push_back({std::string(entry_of(condition.field).name), condition.written,
                                  actual_of(session, condition.field), condition.field == Field::kQuery,
                                  holds(condition, session), std::nullopt});
  }
  for (const auto& age : rule.match.ages) {
    finding.conditions.push_back(find_age(age, limit_for(age, judgement.exception), session, now));
  }
  if (judgement.exception != nullptr) {
    finding.exception = static_cast<std::size_t>(judgement.exception - rule.except.data());
  }
  if (judgement.verdict == Verdict::kDue) finding.next = next_step_of(rule, session, judgement, nullptr);
  return finding;
}

}  // namespace

std::string_view reason_of(Immunity immunity) {
  switch (immunity) {
    case Immunity::kNone:
      return "";
    case Immunity::kOwn:
      return "pgcurfew's own session";
    case Immunity::kParallelWorker:
      return "parallel worker, its leader is judged";
    case Immunity::kReplication:
      return "replication is never touched";
    case Immunity::kSyncRep:
      return "waits for synchronous replication";
    case Immunity::kProtected:
      break;
  }
  return "on the protect list";
}

SessionFinding explain(const Policy& policy, const Snapshot& snapshot, std::size_t session_index) {
  const auto& session = snapshot.sessions[session_index];
  SessionFinding finding;
  finding.session = session_index;
  finding.immunity = immunity_of(policy, session);
  for (std::size_t i = 0; i < policy.rules.size(); ++i) {
    finding.rules.push_back(find_rule(policy, i, session, snapshot.taken_at));
    if (finding.immunity != Immunity::kNone || !finding.rules[i].next) continue;
    if (!finding.nearest || finding.rules[i].next->due < finding.rules[*finding.nearest].next->due) {
      finding.nearest = i;
    }
  }
  return finding;
}

}  // namespace pgcurfew
