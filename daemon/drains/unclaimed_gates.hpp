#pragma once

#include <string>
#include <vector>

#include "drains/gate_journal.hpp"
#include "events/event.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// A gate that is closed according to the journal of gates, and that no watch opens.
struct UnclaimedGate {
  JournalEntry entry;
  std::string file;
};

/// The gates whose server is not among these by its name, of any of these databases or, if none is named, of
/// all. Empty if there is no journal of gates.
std::vector<UnclaimedGate> find_unclaimed_gates(SmallFiles& files, const std::vector<Server>& servers,
                                                const std::vector<std::string>& databases = {});

enum class WhyUnclaimed {
  kServer,          ///< its server is not in the policy
  kCluster,         ///< its server is another cluster now
  kUnnamedCluster,  ///< it may be of another cluster: no such database is closed in this one
};

/// The event `gate_unclaimed`: the previous state, and how to restore it.
Event unclaimed_gate_event(const UnclaimedGate& gate, WhyUnclaimed why = WhyUnclaimed::kServer);

}  // namespace pgcurfew
