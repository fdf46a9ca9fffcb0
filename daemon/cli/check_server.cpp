#include "cli/check_server.hpp"

#include <algorithm>
#include <cstddef>
#include <map>

#include <fmt/format.h>

#include "app/audit_place.hpp"
#include "app/configuration.hpp"
#include "app/exit_code.hpp"
#include "base/duration.hpp"
#include "base/words.hpp"
#include "cli/check_drains.hpp"
#include "cli/one_look.hpp"
#include "cli/printing.hpp"
#include "engine/explain.hpp"

namespace pgcurfew {

namespace {

/// Counts of the sessions in one look, by the effect of one rule on them.
struct TouchCounts {
  std::size_t candidates = 0;  ///< of the backend types that the rule matches
  std::size_t due = 0;
  std::size_t too_young = 0;
  std::size_t exempt = 0;
  std::size_t protection = 0;                    ///< they match, but are never signalled
  std::size_t superusers = 0;                    ///< of those due: the server would deny the signal
  std::size_t without_right = 0;                 ///< the same, because our role lacks the privilege
  std::size_t unaffected = 0;                    ///< they match, but no step can affect them in their state
  std::map<Stand, std::size_t> rationed;         ///< of those due: by the reason why others go first
  std::map<std::string_view, std::size_t> held;  ///< by the part of the rule that leaves them alone
};

bool is_of_its_type(const Rule& rule, const Session& session) {
  return std::all_of(rule.match.conditions.begin(), rule.match.conditions.end(),
                     [&](const Condition& condition) {
                       return condition.field != Field::kBackendType || holds(condition, session);
                     });
}

void count(const Session& session, const SessionFinding& finding, const RuleFinding& rule, bool is_open,
           ServerTime now, TouchCounts& tally) {
  if (rule.verdict == Verdict::kExempt) ++tally.exempt;
  if (rule.verdict != Verdict::kDue) return;
  if (finding.immunity != Immunity::kNone) {
    ++tally.protection;
  } else if (!rule.next) {
    ++tally.unaffected;
  } else if (!is_open) {
    ++tally.held[name_of(Stand::kHours)];
  } else if (rule.next->due > now) {
    ++tally.too_young;
  } else if (rule.is_left_alone()) {
    ++tally.held[name_of(*rule.stand)];
  } else {
    ++tally.due;
    if (rule.is_rationed()) ++tally.rationed[*rule.stand];
    if (!session.is_beyond_us || rule.next->kind == StepKind::kAlert) return;
    ++(session.is_superusers ? tally.superusers : tally.without_right);
  }
}

/// `1 is`, `3 are`.
std::string are(std::size_t count) {
  return fmt::format("{} {}", count, count == 1 ? "is" : "are");
}

/// The reason why others go first.
std::string turn_of(Stand stand) {
  if (stand == Stand::kBreaker) return "the breaker";
  return stand == Stand::kRoom ? "the room for unanswered orders" : fmt::format("its {}", name_of(stand));
}

std::string text_of(const TouchCounts& tally) {
  auto text =
      fmt::format("{} of {} session{} {} due now", tally.due, tally.candidates,
                  tally.candidates == 1 ? "" : "s", tally.due == 1 || tally.candidates == 1 ? "is" : "are");
  if (tally.superusers > 0)
    text += fmt::format(" ({} of them superusers', which the server will deny)", tally.superusers);
  if (tally.without_right > 0) {
    text += fmt::format(
        " ({} of them the server will deny, because our role is a member of neither pg_signal_backend nor "
        "theirs)",
        tally.without_right);
  }
  for (const auto& [by, number] : tally.rationed)
    text += fmt::format(" ({} of them later, when {} lets {} through)", number, turn_of(by),
                        number == 1 ? "it" : "them");
  if (tally.too_young > 0) {
    text += tally.too_young == 1 ? ", 1 more matches but is not old enough yet"
                                 : fmt::format(", {} more match but are not old enough yet", tally.too_young);
  }
  std::vector<std::string> spared;
  if (tally.exempt > 0) spared.push_back(are(tally.exempt) + " exempt");
  if (tally.protection > 0) spared.push_back(are(tally.protection) + " protected");
  if (tally.unaffected > 0)
    spared.push_back(are(tally.unaffected) + " in a state that its steps cannot affect");
  for (const auto& [by, number] : tally.held)
    spared.push_back(fmt::format("{} left alone by its {}", are(number), by));
  if (!spared.empty()) text += fmt::format("; {}", fmt::join(spared, ", "));
  return text;
}

/// Outside a rule's hours: when they begin.
std::string hours_text(const Rule& rule, ServerTime now) {
  const auto open = rule.hours.next_open(now);
  if (!open) return "; its hours never begin";
  if (open->start <= now) return "";
  const auto& zone = (rule.hours.during.empty() ? rule.hours.not_during : rule.hours.during).front().zone;
  return fmt::format("; its hours begin in {}, {}", to_rough_text(open->start - now),
                     zone.to_text(open->start));
}

void print_server(const Policy& policy, const Server& server, const OneLook& seen) {
  if (!seen.look) return;
  const auto& look = *seen.look;
  print("server {} (PostgreSQL {}, {}):\n", printable(server.name), seen.facts->version,
        seen.facts->in_recovery ? "standby" : "primary");
  if (policy.rules.empty()) print("  no rule applies to it\n");
  const auto around = find_in_look(policy, look);
  std::vector<TouchCounts> tallies(policy.rules.size());
  std::vector<bool> open;
  for (const auto& rule : policy.rules) open.push_back(rule.hours.is_open(look.taken_at));
  for (std::size_t i = 0; i < look.sessions.size(); ++i) {
    const auto finding = explain(policy, look, around, i);
    // our own session and parallel workers are not counted
    const bool is_ours = finding.immunity == Immunity::kOwn || finding.immunity == Immunity::kParallelWorker;
    if (is_ours) continue;
    for (std::size_t r = 0; r < tallies.size(); ++r) {
      if (!is_of_its_type(policy.rules[r], look.sessions[i])) continue;
      ++tallies[r].candidates;
      count(look.sessions[i], finding, finding.rules[r], open[r], look.taken_at, tallies[r]);
    }
  }
  for (std::size_t r = 0; r < tallies.size(); ++r) {
    const auto& rule = policy.rules[r];
    print("  {}: {}{}\n", rule.name, text_of(tallies[r]), open[r] ? "" : hours_text(rule, look.taken_at));
  }
}

}  // namespace

namespace {

/// Whether the tables of audit can be added to, which needs their servers. *Errors*: 69 if not.
int check_tables(const Policy& policy) {
  int code = kExitOk;
  for (const auto& target : policy.audit) {
    if (target.kind != AuditTarget::Kind::kTable) continue;
    // without events nothing is added
    const auto tried = open_sink(target)->take({});
    if (tried && !tried->why) {
      print("audit: events can be added to {}\n", name_of(target));
      continue;
    }
    const auto& error = tried ? *tried->why : tried.error();
    print_error("pgcurfew: audit: events cannot be added to {}: {}\n", name_of(target),
                printable(error.message, 400));
    if (!error.hint.empty()) print_error("hint: {}\n", printable(error.hint, 400));
    code = kExitUnavailable;
  }
  return code;
}

}  // namespace

int check_servers(const std::vector<std::string>& paths) {
  int code = kExitOk;
  for (const auto& path : paths) {
    const auto loaded = read_any(path);
    if (loaded.has_errors()) return kExitConfiguration;
    if (loaded.policy->servers.empty()) {
      print_error("pgcurfew: {} names no servers: check --server takes a main file\n", printable(path));
      return kExitUsage;
    }
    const auto& policy = *loaded.policy;
    const auto looks = look_once(policy, LookAt::kEverything);
    for (std::size_t i = 0; i < looks.size(); ++i) {
      const auto& server = policy.servers[i];
      const auto its_policy = policy_for(policy, server.name);
      complain_of(its_policy, server, looks[i]);
      print_server(its_policy, server, looks[i]);
      code = worse(code, exit_code_of(its_policy, looks[i]));
      code = worse(code, check_drains(its_policy, server, looks[i]));
      if (looks[i].server_log_error) {
        print_error("pgcurfew: server {}: its own log cannot be told of signals: {}\n",
                    printable(server.name), printable(looks[i].server_log_error->message, 400));
        const bool is_privilege = looks[i].server_log_error->sqlstate == "42501";
        code = worse(code, is_privilege ? kExitNoPermission : kExitUnavailable);
      }
    }
    code = worse(code, check_tables(policy));
  }
  return code;
}

}  // namespace pgcurfew
