#include "engine/drain_reach.hpp"

namespace pgcurfew {

namespace {

/// What a wildcard leaves out unless the name stands beside it.
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
  if (gate.limit == -2) return Error{"the server calls the database invalid", {}, "DROP DATABASE it.", {}};
  if (plan.gate != GateKind::kConnectionLimit) return std::nullopt;
  if (gates.in_recovery) {
    return Error{"the server is a standby", "Only the primary can close the gate.", {}, "25006"};
  }
  if (gate.database == gates.own_database && !gates.is_superuser) {
    return Error{"our own connection is in it",
                 "Its gate would keep us out ourselves.",
                 "Let conninfo name another database, for instance postgres.",
                 {}};
  }
  if (gate.access == GateAccess::kNone) {
    return Error{"our role may not close its gate",
                 {},
                 "Make it the owner of the database, or run what pgcurfew setup-sql prints.",
                 "42501"};
  }
  return std::nullopt;
}

}  // namespace pgcurfew
