#include "cli/explain.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/configuration.hpp"
#include "app/exit_code.hpp"
#include "base/duration.hpp"
#include "base/words.hpp"
#include "cli/diagnostics.hpp"
#include "cli/one_look.hpp"
#include "cli/printing.hpp"
#include "engine/explain.hpp"
#include "policy/prose/describe.hpp"
#include "report/redact.hpp"

namespace pgcurfew {

namespace {

using Json = nlohmann::ordered_json;

std::string shown_query(const Policy& policy, const std::string& query) {
  switch (policy.query_text) {
    case QueryText::kFull:
      return query;
    case QueryText::kRedacted:
      return redact(query);
    case QueryText::kNone:
      break;
  }
  return "(hidden)";
}

std::string shown_actual(const Policy& policy, const ConditionFinding& condition) {
  return condition.is_query ? shown_query(policy, condition.actual) : condition.actual;
}

std::string when_text(Duration until) {
  return until <= Duration(0) ? "now" : fmt::format("in {}", to_rough_text(until));
}

std::string exception_text(const Policy& policy, const RuleFinding& finding) {
  if (!finding.exception) return "";
  return fmt::format(" by exception {}: {}", *finding.exception + 1,
                     phrase_of(policy.rules[finding.rule].except[*finding.exception].match));
}

/// Why a step that is due is not taken first.
std::string turn_text(const RuleFinding& finding) {
  if (!finding.is_rationed()) return "";
  if (finding.stand == Stand::kBreaker) return ", when the breaker lets it through";
  if (finding.stand == Stand::kRoom) return ", when the orders before it are answered";
  return fmt::format(", when its \"{}\" lets it through", name_of(*finding.stand));
}

std::string step_text(const Policy& policy, const RuleFinding& finding, const Session& session,
                      ServerTime now) {
  const auto& rule = policy.rules[finding.rule];
  const auto kind = finding.next->kind;
  std::string denial;
  if (session.is_beyond_us && kind != StepKind::kAlert) {
    denial = session.is_superusers ? ", but the server will deny it: a superuser's session"
                                   : fmt::format(
                                         ", but the server will deny it: our role is a member of neither "
                                         "pg_signal_backend nor {}",
                                         session.user ? printable(*session.user, 63) : "the session's role");
  }
  return fmt::format("{}{} {}{}{}{}", rule.mode == Mode::kDryRun ? "would " : "", name_of(kind),
                     when_text(finding.next->due - now), turn_text(finding),
                     finding.next->skipped_cancel ? ", as a cancel cannot affect it while it is idle" : "",
                     denial);
}

std::string verdict_text(const Policy& policy, const RuleFinding& finding, const Session& session,
                         ServerTime now) {
  switch (finding.verdict) {
    case Verdict::kNoMatch:
      return "does not match";
    case Verdict::kExempt:
      return "exempt" + exception_text(policy, finding);
    case Verdict::kPending:
      return "does not match now, but could at any moment";
    case Verdict::kDue:
      break;
  }
  if (finding.is_left_alone())
    return fmt::format("matches, but its \"{}\" holds it back", name_of(*finding.stand));
  return finding.next ? step_text(policy, finding, session, now)
                      : "matches, but a cancel cannot affect it while it is idle, and no step follows";
}

std::string immunity_text(const SessionFinding& finding) {
  return immunity_text(finding.immunity, finding.protection);
}

std::string session_line(const Policy& policy, const Look& look, const SessionFinding& finding) {
  const auto& session = look.sessions[finding.session];
  const auto shown = [](const std::optional<std::string>& text) { return text ? printable(*text, 30) : "-"; };
  std::string fate = "no rule matches";
  if (finding.immunity != Immunity::kNone) {
    fate = fmt::format("never touched: {}", immunity_text(finding));
  } else if (finding.nearest) {
    const auto& rule = finding.rules[*finding.nearest];
    fate =
        fmt::format("{}: {}", policy.rules[rule.rule].name, step_text(policy, rule, session, look.taken_at));
  } else {
    for (const auto& rule : finding.rules) {
      if (rule.verdict != Verdict::kExempt && !rule.is_left_alone()) continue;
      fate = fmt::format("{}: {}", policy.rules[rule.rule].name,
                         verdict_text(policy, rule, session, look.taken_at));
      break;
    }
  }
  return fmt::format("{:>8}  {:<14} {:<14} {:<20} {:<22} {}\n", session.key.pid, shown(session.database),
                     shown(session.user), shown(session.application_name),
                     session.state ? name_of(*session.state) : "-", fate);
}

void print_in_full(const Policy& policy, const Look& look, const SessionFinding& finding) {
  const auto& session = look.sessions[finding.session];
  print("pid {} (session {})\n", session.key.pid,
        session_id_text(session.key.backend_start, session.key.pid));
  if (session.query) print("  query: {}\n", printable(shown_query(policy, *session.query)));
  if (finding.immunity != Immunity::kNone) print("  never touched: {}\n", immunity_text(finding));
  for (const auto& rule : finding.rules) {
    const auto verdict = verdict_text(policy, rule, session, look.taken_at);
    // the verdict would announce a signal that never comes, because the session is protected
    const bool is_moot = finding.immunity != Immunity::kNone && rule.verdict == Verdict::kDue;
    print("  rule {}: {}\n", policy.rules[rule.rule].name,
          is_moot ? "matches, but the session is never touched" : verdict);
    const bool has_later_limit = rule.exception && rule.verdict != Verdict::kExempt;
    if (has_later_limit) print("    later limit{}\n", exception_text(policy, rule));
    for (const auto& condition : rule.conditions) {
      std::string margin;
      if (condition.margin) {
        margin = *condition.margin >= Duration(0)
                     ? fmt::format(", past it by {}", to_rough_text(*condition.margin))
                     : fmt::format(", {} to go", to_rough_text(-*condition.margin));
      }
      print("    {} {}: {} (is {}{})\n", condition.holds ? "yes" : "no ", condition.field,
            printable(condition.wanted), printable(shown_actual(policy, condition)), margin);
    }
  }
}

Json rule_json(const Policy& policy, const RuleFinding& finding, ServerTime now) {
  Json json;
  json["rule"] = policy.rules[finding.rule].name;
  json["mode"] = name_of(policy.rules[finding.rule].mode);
  json["verdict"] = finding.verdict == Verdict::kDue       ? "due"
                    : finding.verdict == Verdict::kExempt  ? "exempt"
                    : finding.verdict == Verdict::kPending ? "pending"
                                                           : "no_match";
  if (finding.is_left_alone() || finding.is_rationed()) json["held_by"] = name_of(*finding.stand);
  if (finding.exception) json["exception"] = *finding.exception + 1;
  if (finding.next) {
    json["step"] = name_of(finding.next->kind);
    json["due_in_s"] = static_cast<double>((finding.next->due - now).count()) / 1e6;
    if (finding.next->skipped_cancel) json["skipped"] = name_of(StepKind::kCancel);
  }
  json["conditions"] = Json::array();
  for (const auto& condition : finding.conditions) {
    Json entry;
    entry["field"] = condition.field;
    entry["wanted"] = condition.wanted;
    entry["actual"] = shown_actual(policy, condition);
    entry["holds"] = condition.holds;
    if (condition.margin) entry["margin_s"] = static_cast<double>(condition.margin->count()) / 1e6;
    json["conditions"].push_back(std::move(entry));
  }
  return json;
}

Json session_json(const Policy& policy, const Look& look, const SessionFinding& finding, bool in_full) {
  const auto& session = look.sessions[finding.session];
  const auto text = [](const std::optional<std::string>& value) {
    return value ? Json(*value) : Json(nullptr);
  };
  Json json;
  json["pid"] = session.key.pid;
  json["session_id"] = session_id_text(session.key.backend_start, session.key.pid);
  json["database"] = text(session.database);
  json["user"] = text(session.user);
  json["application_name"] = text(session.application_name);
  json["backend_type"] = session.backend_type;
  json["state"] = session.state ? Json(name_of(*session.state)) : Json(nullptr);
  json["never_touched"] = finding.immunity == Immunity::kNone ? Json(nullptr) : Json(immunity_text(finding));
  json["nearest"] =
      finding.nearest ? rule_json(policy, finding.rules[*finding.nearest], look.taken_at) : Json(nullptr);
  if (in_full) {
    json["rules"] = Json::array();
    for (const auto& rule : finding.rules) json["rules"].push_back(rule_json(policy, rule, look.taken_at));
  }
  return json;
}

/// One server's part of the report.
class ServerReport {
 public:
  ServerReport(const Policy& policy, const Server& server, const OneLook& seen, const ExplainOptions& options)
      : policy_(policy_for(policy, server.name)), server_(server), seen_(seen), options_(options) {
    if (seen.look) around_ = find_in_look(policy_, *seen.look);
  }

  /// Returns whether the requested pid was found (or none was requested).
  bool show() const {
    if (!seen_.look) return false;
    const auto& sessions = seen_.look->sessions;
    bool found = !options_.pid;
    if (!options_.pid) {
      print("server {} (PostgreSQL {}, {})\n", printable(server_.name), seen_.facts->version,
            seen_.facts->in_recovery ? "standby" : "primary");
      print("{:>8}  {:<14} {:<14} {:<20} {:<22} {}\n", "pid", "database", "user", "application_name", "state",
            "nearest rule (judged from scratch: a running daemon may be further)");
    }
    for (std::size_t i = 0; i < sessions.size(); ++i) {
      if (options_.pid && sessions[i].key.pid != *options_.pid) continue;
      if (!options_.pid && sessions[i].backend_type != "client backend") continue;
      const auto finding = explain(policy_, *seen_.look, around_, i);
      if (options_.pid) {
        found = true;
        print("server {}, ", printable(server_.name));
        print_in_full(policy_, *seen_.look, finding);
      } else {
        print("{}", session_line(policy_, *seen_.look, finding));
      }
    }
    return found;
  }

  /// The part that applies to this server.
  [[nodiscard]] const Policy& policy() const { return policy_; }

  Json json() const {
    Json json;
    json["server"] = server_.name;
    if (!seen_.look) {
      json["error"] = seen_.error.message;
      return json;
    }
    json["version"] = seen_.facts->version;
    json["missing_privileges"] = Json::array();
    if (!seen_.facts->can_read_all_stats) json["missing_privileges"].push_back("pg_read_all_stats");
    if (!may_signal(policy_, seen_)) json["missing_privileges"].push_back("pg_signal_backend");
    json["sessions"] = Json::array();
    const auto& sessions = seen_.look->sessions;
    for (std::size_t i = 0; i < sessions.size(); ++i) {
      if (options_.pid ? sessions[i].key.pid != *options_.pid : sessions[i].backend_type != "client backend")
        continue;
      json["sessions"].push_back(session_json(policy_, *seen_.look, explain(policy_, *seen_.look, around_, i),
                                              options_.pid.has_value()));
    }
    return json;
  }

 private:
  const Policy policy_;
  LookFinding around_;
  const Server& server_;
  const OneLook& seen_;
  const ExplainOptions& options_;
};

}  // namespace

int explain_sessions(const ExplainOptions& options) {
  const auto loaded = read_configuration(options.configuration);
  if (loaded.has_errors()) {
    print_diagnostics(loaded);
    return kExitConfiguration;
  }
  // warnings are left to `check`
  const auto& policy = *loaded.policy;
  const auto looks = look_once(policy);
  int code = kExitOk;
  bool found = false;
  auto all = Json::array();
  for (std::size_t i = 0; i < looks.size(); ++i) {
    const ServerReport report(policy, policy.servers[i], looks[i], options);
    complain_of(report.policy(), policy.servers[i], looks[i]);
    if (options.json) {
      all.push_back(report.json());
      found = found || !options.pid || (all.back().contains("sessions") && !all.back()["sessions"].empty());
    } else {
      found = report.show() || found;
    }
    code = worse(code, exit_code_of(report.policy(), looks[i]));
  }
  if (options.json) print("{}\n", all.dump(2, ' ', true, Json::error_handler_t::replace));
  if (options.pid && !found && code == kExitOk) {
    print_error("pgcurfew: no server has a session with pid {}\n", *options.pid);
    return kExitNoInput;
  }
  return code;
}

}  // namespace pgcurfew
