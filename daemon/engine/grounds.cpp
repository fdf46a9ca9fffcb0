#include "engine/grounds.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/blockers.hpp"
#include "engine/judge.hpp"

namespace pgcurfew {

namespace {

std::string group_text(const Selection& selection, const Session& session) {
  std::string text;
  for (const auto field : selection.per) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", entry_of(field).name,
                        value_of(session, field).value_or("NULL"));
  }
  return text;
}

}  // namespace

Grounds grounds_of(const Rule& rule, const Session& session, const Look& look, const Docket& docket,
                   std::size_t group_size) {
  Grounds grounds;
  const auto blocking = blocking_of(rule.match);
  if (blocking.is_asked) {
    const auto waiters = fitting_waiters(blocking, session);
    grounds.blocks = waiters.size();
    if (!waiters.empty()) {
      const auto& longest = *waiters.front();
      grounds.longest_waiter = longest.key;
      grounds.longest_waiter_user = longest.user;
      grounds.longest_waiter_application_name = longest.application_name;
    }
  }
  const auto& conditions = rule.match.conditions;
  if (std::any_of(conditions.begin(), conditions.end(),
                  [](const Condition& condition) { return condition.field == Field::kXminAge; })) {
    grounds.xmin_age = session.xmin_age;
  }
  if (rule.selection.keep) {
    grounds.keep = rule.selection.keep;
    grounds.group_size = group_size;
    if (!rule.selection.per.empty()) grounds.group = group_text(rule.selection, session);
  }
  if (rule.when.connections_used) grounds.connections_used = connections_used(look, docket.client_backends);
  if (rule.when.role) grounds.server_role = look.in_recovery ? Role::kStandby : Role::kPrimary;
  return grounds;
}

}  // namespace pgcurfew
