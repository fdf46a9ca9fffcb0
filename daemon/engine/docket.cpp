#include "engine/docket.hpp"

#include <algorithm>

namespace pgcurfew {

namespace {

void look_again_from(Docket& docket, ServerTime time) {
  docket.pending_from = std::min(docket.pending_from.value_or(time), time);
}

std::size_t count_client_backends(const Look& look) {
  return static_cast<std::size_t>(
      std::count_if(look.sessions.begin(), look.sessions.end(),
                    [](const Session& session) { return session.backend_type == "client backend"; }));
}

}  // namespace

Docket make_docket(const Policy& policy, const Look& look, const ClockSteps& steps) {
  Docket docket;
  docket.steps = steps;
  docket.look_number = look.number;
  docket.client_backends = count_client_backends(look);
  std::vector<bool> when_holds;
  for (const auto& rule : policy.rules) when_holds.push_back(holds(rule.when, look, docket.client_backends));
  for (std::size_t s = 0; s < look.sessions.size(); ++s) {
    const auto& session = look.sessions[s];
    if (session.has_nameless_database || session.has_nameless_user) ++docket.nameless;
    const auto immunity = immunity_of(policy, session);
    const bool is_immune = immunity != Immunity::kNone;
    if (is_immune && !is_passing(immunity, policy, session)) continue;
    for (std::size_t r = 0; r < policy.rules.size(); ++r) {
      const auto judgement = judge(policy.rules[r], session, steps);
      if (is_immune && judgement.verdict == Verdict::kDue) {
        look_again_from(docket, judgement.due);
      } else if (judgement.verdict == Verdict::kDue) {
        // a server's role changes too seldom to watch for it; the next look shows it
        if (!when_holds[r] && policy.rules[r].when.connections_used) look_again_from(docket, judgement.due);
        docket.cases.push_back({r, s, judgement, !when_holds[r]});
      }
      if (judgement.could_be_due) look_again_from(docket, *judgement.could_be_due);
    }
  }
  return docket;
}

}  // namespace pgcurfew
