#include "policy/policy.hpp"

#include <algorithm>

namespace pgcurfew {

std::string_view name_of(Mode mode) {
  return mode == Mode::kEnforce ? "enforce" : "dry-run";
}

std::string_view name_of(StepKind kind) {
  switch (kind) {
    case StepKind::kAlert:
      return "alert";
    case StepKind::kCancel:
      return "cancel";
    case StepKind::kTerminate:
      break;
  }
  return "terminate";
}

std::string_view name_of(Victims victims) {
  switch (victims) {
    case Victims::kOldest:
      return "oldest";
    case Victims::kNewest:
      return "newest";
    case Victims::kAll:
      break;
  }
  return "all";
}

std::string_view name_of(Role role) {
  return role == Role::kPrimary ? "primary" : "standby";
}

std::string_view name_of(RepeatAction action) {
  switch (action) {
    case RepeatAction::kTerminate:
      return "terminate";
    case RepeatAction::kAlert:
      return "alert";
    case RepeatAction::kPause:
      break;
  }
  return "pause";
}

std::string_view name_of(GateKind kind) {
  switch (kind) {
    case GateKind::kConnectionLimit:
      return "connection-limit";
    case GateKind::kPgbouncer:
      return "pgbouncer";
    case GateKind::kNone:
      break;
  }
  return "none";
}

std::string_view name_of(PgbouncerGate gate) {
  return gate == PgbouncerGate::kPause ? "pause" : "disable";
}

std::string_view name_of(GiveUpAction action) {
  switch (action) {
    case GiveUpAction::kReopen:
      return "reopen";
    case GiveUpAction::kHold:
      return "hold";
    case GiveUpAction::kAlert:
      break;
  }
  return "alert";
}

bool is_same(const AuditTarget& a, const AuditTarget& b) {
  return a.kind == b.kind && a.path == b.path && a.rotate == b.rotate && a.keep == b.keep &&
         a.conninfo == b.conninfo;
}

bool is_for(const Drain& drain, std::string_view server) {
  return drain.servers.empty() ||
         std::find(drain.servers.begin(), drain.servers.end(), server) != drain.servers.end();
}

std::optional<Interval> window_at(const Drain& drain, ServerTime time) {
  const auto window = window_after(drain, time - drain.duration);
  return window && window->start <= time ? window : std::nullopt;
}

std::optional<Interval> window_after(const Drain& drain, ServerTime time) {
  std::optional<ServerTime> begin;
  if (const auto* schedule = std::get_if<CronSchedule>(&drain.begins)) {
    begin = schedule->next_after(time, drain.zone);
  } else if (std::get<ServerTime>(drain.begins) > time) {
    begin = std::get<ServerTime>(drain.begins);
  }
  return begin ? std::optional(Interval{*begin, *begin + drain.duration}) : std::nullopt;
}

Policy policy_for(const Policy& policy, std::string_view server) {
  auto own = policy;
  const auto is_elsewhere = [&](const auto& entry) {
    return !entry.servers.empty() &&
           std::find(entry.servers.begin(), entry.servers.end(), server) == entry.servers.end();
  };
  std::erase_if(own.rules, is_elsewhere);
  std::erase_if(own.drains, is_elsewhere);
  return own;
}

}  // namespace pgcurfew
