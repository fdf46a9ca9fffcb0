#pragma once

#include <string>
#include <vector>

#include "events/event.hpp"
#include "policy/policy.hpp"
#include "policy/reader/load.hpp"

namespace pgcurfew {

/// `started`, with what the policy has.
Event started_event(const Policy& policy);

/// `reload`, with what is new, gone and changed.
Event reload_event(const Policy& before, const Policy& policy);

/// `reload_refused`. `policy`: the version of the one in force.
Event reload_refused_event(const std::vector<Diagnostic>& diagnostics, const std::string& policy);

/// `gates_left`, of a server.
Event gates_left_event(const std::string& server);

}  // namespace pgcurfew
