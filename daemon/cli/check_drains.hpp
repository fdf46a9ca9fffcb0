#pragma once

#include "cli/one_look.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// Prints which databases each drain of a server would empty now, how their gates can be closed and where the
/// marks go, and obstacles on standard error. `policy`: the part that applies to the server.
/// *Errors*: 69 if the gates could not be read, 77 if our role lacks a right that a drain needs.
int check_drains(const Policy& policy, const Server& server, const OneLook& seen);

}  // namespace pgcurfew
