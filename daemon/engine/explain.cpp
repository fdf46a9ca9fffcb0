#include "engine/explain.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/duration.hpp"
#include "engine/blockers.hpp"
#include "engine/selection.hpp"

namespace pgcurfew {

namespace {

ConditionFinding find_age(std::string_view name, Duration limit, std::optional<ServerTime> start,
                          ServerTime now) {
  ConditionFinding finding;
  finding.field = name;
  finding.wanted = to_text(limit);
  if (!start) {
    finding.actual = "NULL";
    return finding;
  }
  finding.actual = to_rough_text(now - *start);
  finding.margin = now - *start - limit;
  finding.holds = *finding.margin >= Duration(0);
  return finding;
}

ConditionFinding finding_of(std::string field, std::string wanted, std::string actual, bool is_met) {
  return {std::move(field), std::move(wanted), std::move(actual), false, is_met, std::nullopt};
}

/// How many sessions wait for the session; for a rule that selects waiters, those that match.
std::string waiters_text(const Blocking& blocking, const Session& session) {
  const auto all = session.blocks.size();
  if (blocking.waiter == nullptr) return fmt::format("{}", all);
  return fmt::format("{} that fit, of {}", fitting_waiters(blocking, session).size(), all);
}

std::string percent_text(double part) {
  return fmt::format("{:.0f}%", part * 100);
}

/// One session compared with one rule, and their surroundings.
class RuleFinder {
 public:
  RuleFinder(const Policy& policy, const Look& look, const LookFinding& around, std::size_t session,
             std::size_t rule)
      : policy_(policy),
        rule_(policy.rules[rule]),
        look_(look),
        around_(around),
        session_index_(session),
        session_(look.sessions[session]) {
    finding_.rule = rule;
  }

  RuleFinding run() {
    const auto judgement = judge(rule_, session_);
    finding_.verdict = judgement.verdict;
    const auto blocking = blocking_of(rule_.match);
    for (const auto& condition : rule_.match.conditions) {
      const auto actual = condition.field == Field::kBlocks
                              ? waiters_text(blocking, session_)
                              : value_of(session_, condition.field).value_or("NULL");
      finding_.conditions.push_back({std::string(entry_of(condition.field).name), condition.written, actual,
                                     condition.field == Field::kQuery, holds(condition, session_),
                                     std::nullopt});
    }
    find_waits(blocking);
    for (const auto& age : rule_.match.ages) {
      finding_.conditions.push_back(find_age(name_of(age.clock), limit_for(age, judgement.exception),
                                             start_of(rule_, session_, age.clock), look_.taken_at));
    }
    if (judgement.exception != nullptr) {
      finding_.exception = static_cast<std::size_t>(judgement.exception - rule_.except.data());
    }
    if (judgement.verdict == Verdict::kDue) find_standing(judgement);
    find_keep();
    find_when();
    find_hours();
    return std::move(finding_);
  }

 private:
  /// An immune session has no case, and a claim that is left alone has no step: the step that would come
  /// otherwise is worth showing.
  void find_standing(const Judgement& judgement) {
    finding_.next = next_step_of(rule_, session_, judgement, nullptr);
    const auto& cases = around_.docket.cases;
    const auto found = std::lower_bound(cases.begin(), cases.end(), std::pair(session_index_, finding_.rule),
                                        [](const Case& a_case, const auto& wanted) {
                                          return std::pair(a_case.session, a_case.rule) < wanted;
                                        });
    if (found == cases.end() || found->session != session_index_ || found->rule != finding_.rule) return;
    const auto& standing = around_.standings.cases[static_cast<std::size_t>(found - cases.begin())];
    finding_.stand = standing.stand;
    if (standing.next) finding_.next = standing.next;
  }

  /// What a rule on blockers requires besides its conditions.
  void find_waits(const Blocking& blocking) {
    if (blocking.waiter_blocked_for) {
      finding_.conditions.push_back(find_age("blocks.blocked_for", *blocking.waiter_blocked_for,
                                             waiting_since(blocking, session_), look_.taken_at));
    }
    if (!blocking.is_asked || blocking.may_wait) return;
    const bool waits = is_held_up(session_);
    finding_.conditions.push_back(
        finding_of("waits", "for no lock itself", waits ? "waiting for one" : "not waiting", !waits));
  }

  /// The group as it will be when the session falls due, if nothing else changes until then.
  void find_keep() {
    if (!rule_.selection.keep) return;
    const auto group = group_of(rule_.selection, session_);
    const auto found = around_.groups.find({finding_.rule, group});
    std::vector<std::size_t> members;
    if (found != around_.groups.end()) members = found->second;
    const auto& cases = around_.docket.cases;
    const auto own = std::find_if(members.begin(), members.end(),
                                  [&](std::size_t i) { return cases[i].session == session_index_; });
    const bool is_due = own != members.end();
    const auto own_case = is_due ? *own : cases.size();
    auto then = look_.taken_at;
    if (is_due) then = std::max(then, cases[own_case].judgement.due);
    std::erase_if(members, [&](std::size_t i) { return cases[i].judgement.due > then; });
    const auto victims = victims_of(policy_, look_, around_.docket, Ledger{}, members);
    const bool is_chosen = is_due && std::find(victims.begin(), victims.end(), own_case) != victims.end();
    const auto actual = !is_due ? fmt::format("none of the {} that are due", members.size())
                        : then > look_.taken_at
                            ? fmt::format("one of {} that will be due then", members.size())
                            : fmt::format("one of {} that are due", members.size());
    finding_.conditions.push_back(
        finding_of("keep", fmt::format("beyond {}", *rule_.selection.keep), actual, is_chosen));
    if (is_due && !is_chosen && finding_.stand && *finding_.stand != Stand::kWhen)
      finding_.stand = Stand::kKeep;
  }

  void find_when() {
    const auto& when = rule_.when;
    if (when.connections_used) {
      const auto used = connections_used(look_, around_.docket.client_backends);
      finding_.conditions.push_back(finding_of("connections_used", percent_text(*when.connections_used),
                                               used ? percent_text(*used) : "not known",
                                               used && *used >= *when.connections_used));
    }
    if (when.role) {
      const auto role = look_.in_recovery ? Role::kStandby : Role::kPrimary;
      finding_.conditions.push_back(finding_of("role", std::string(name_of(*when.role)),
                                               std::string(name_of(role)), role == *when.role));
    }
  }

  void find_hours() {
    if (rule_.hours.is_empty()) return;
    const auto& windows = rule_.hours.during.empty() ? rule_.hours.not_during : rule_.hours.during;
    const auto& zone = windows.front().zone;
    const auto open = rule_.hours.next_open(look_.taken_at);
    const bool is_open = open && open->start <= look_.taken_at;
    const auto actual = !open     ? std::string("closed for good")
                        : is_open ? fmt::format("open until {}", zone.to_text(open->end))
                                  : fmt::format("closed until {}", zone.to_text(open->start));
    finding_.conditions.push_back(finding_of("hours", "open", actual, is_open));
    if (!open && finding_.stand) finding_.stand = Stand::kHours;
    if (!open || !finding_.next) return;
    finding_.next->due = std::max(finding_.next->due, open->start);
    // the step comes when the hours begin, as others come when a session is old enough
    if (finding_.stand == Stand::kHours) finding_.stand = Stand::kLimit;
  }

  const Policy& policy_;
  const Rule& rule_;
  const Look& look_;
  const LookFinding& around_;
  std::size_t session_index_;
  const Session& session_;
  RuleFinding finding_;
};

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

}  // namespace

std::string immunity_text(Immunity immunity, std::string_view protection) {
  if (protection.empty()) return std::string(reason_of(immunity));
  return fmt::format("built-in protection {}", protection);
}

LookFinding find_in_look(const Policy& policy, const Look& look) {
  LookFinding around;
  around.docket = make_docket(policy, look);
  Ledger ledger;
  around.standings =
      decide(policy, look, around.docket, {}, ledger, {look.taken_at, MonotonicTime()}).standings;
  for (std::size_t i = 0; i < around.docket.cases.size(); ++i) {
    const auto& a_case = around.docket.cases[i];
    const auto& selection = policy.rules[a_case.rule].selection;
    if (!selection.keep) continue;
    around.groups[{a_case.rule, group_of(selection, look.sessions[a_case.session])}].push_back(i);
  }
  return around;
}

SessionFinding explain(const Policy& policy, const Look& look, const LookFinding& around,
                       std::size_t session_index) {
  const auto& session = look.sessions[session_index];
  SessionFinding finding;
  finding.session = session_index;
  finding.immunity = immunity_of(policy, session);
  if (finding.immunity == Immunity::kProtected)
    finding.protection = protection_of(policy, session)->protection;
  for (std::size_t i = 0; i < policy.rules.size(); ++i) {
    finding.rules.push_back(RuleFinder(policy, look, around, session_index, i).run());
    const auto& rule = finding.rules[i];
    if (finding.immunity != Immunity::kNone || !rule.next || rule.is_left_alone()) continue;
    if (!finding.nearest || rule.next->due < finding.rules[*finding.nearest].next->due) finding.nearest = i;
  }
  return finding;
}

SessionFinding explain(const Policy& policy, const Look& look, std::size_t session_index) {
  return explain(policy, look, find_in_look(policy, look), session_index);
}

}  // namespace pgcurfew
