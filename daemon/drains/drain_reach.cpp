#include "drains/drain_reach.hpp"

#include <algorithm>

#include "engine/conditions.hpp"
#include "engine/judge.hpp"

namespace pgcurfew {

namespace {

/// What a wildcard leaves out unless it is also named.
bool is_left_out(const Gate& gate, const Gates& gates) {
  return gate.is_template || gate.database == "postgres" || gate.database == gates.own_database;
}

}  // namespace

std::vector<const Gate*> databases_of(const TextPattern& pattern, const Gates& gates) {
  std::vector<const Gate*> found;
  for (const auto& gate : gates.gates) {
    if (gate.kind == GateKind::kPgbouncer || !pattern.matches(gate.database)) continue;
    if (pattern.is_exact() || !is_left_out(gate, gates)) found.push_back(&gate);
  }
  return found;
}

std::optional<Error> obstacle_to(const Drain& plan, const Gate& gate, const Gates& gates) {
  if (gate.limit == -2)
    return Error{"the server calls the database invalid", {}, "Drop it with DROP DATABASE.", "55000"};
  if (plan.gate != GateKind::kConnectionLimit) return std::nullopt;
  if (gates.in_recovery) {
    return Error{"the server is a standby", "Only the primary can close the gate.", {}, "25006"};
  }
  if (gate.database == gates.own_database && !gates.is_superuser) {
    const auto* hint = gate.database == "postgres"
                           ? "Name another database in conninfo, one that no drain empties."
                           : "Name another database in conninfo, for instance postgres.";
    return Error{"our own connection is in it", "Its gate would keep out pgcurfew itself.", hint, "0A000"};
  }
  if (has_malformed_mark(gate)) return malformed_mark_error(gate);
  if (gate.access == GateAccess::kNone) {
    return Error{"our role may not close its gate",
                 {},
                 "Make it the owner of the database, or run what pgcurfew setup-sql prints.",
                 "42501"};
  }
  return std::nullopt;
}

bool is_excepted(const Drain& plan, const Session& session) {
  return std::any_of(plan.except.begin(), plan.except.end(),
                     [&](const Exception& exception) { return may_fit(exception.match, session); });
}

std::string why_protected(const Policy& policy, const Session& session) {
  const auto immunity = immunity_of(policy, session, ClaimantKind::kDrain);
  if (immunity == Immunity::kNone) return {};
  if (immunity == Immunity::kSyncRep) return "waits for synchronous replication";
  const auto* match = protection_of(policy, session, ClaimantKind::kDrain);
  const bool is_built_in = match != nullptr && !match->protection.empty();
  return is_built_in ? "protected: " + std::string(match->protection) : "protected";
}

Occupants occupants_of(const Drain& plan, const Policy& policy, const Look& look,
                       const std::string& database) {
  Occupants found;
  for (const auto& session : look.sessions) {
    if (session.is_own || session.backend_type != "client backend" || session.database != database) continue;
    if (is_excepted(plan, session)) {
      ++found.exempt;
      continue;
    }
    ++found.sessions;
    auto reason = why_protected(policy, session);
    if (reason.empty() && session.is_beyond_us) {
      reason = session.is_superusers ? std::string("superuser") : std::string(Occupants::kNoRight);
    }
    if (!reason.empty()) found.stay.push_back({&session, std::move(reason)});
  }
  return found;
}

}  // namespace pgcurfew
