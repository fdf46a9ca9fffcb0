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

Policy policy_for(const Policy& policy, std::string_view server) {
  auto own = policy;
  std::erase_if(own.rules, [&](const Rule& rule) {
    return !rule.servers.empty() &&
           std::find(rule.servers.begin(), rule.servers.end(), server) == rule.servers.end();
  });
  return own;
}

}  // namespace pgcurfew
