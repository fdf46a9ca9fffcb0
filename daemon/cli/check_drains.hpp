#pragma once

#include "cli/one_look.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Says which databases each drain of a server would empty as things stand, how their gates can be closed and
/// where the marks go; on standard error, what stands in the way. `policy` is what of it is for the server.
/// *Errors*: 69 if the gates could not be read, 77 if our role lacks a right that a drain needs.
int check_drains(const Policy& policy, const Server& server, const OneLook& seen);

}  // namespace pgcurfew
