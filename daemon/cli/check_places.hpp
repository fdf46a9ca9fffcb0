#pragma once

#include "policy/policy.hpp"

namespace pgcurfew {

/// Prints where the record, the audit and the web server are, and on standard error what prevents this user
/// on this machine from using them now: servers are not tried. Returns whether nothing does.
bool check_places(const Policy& policy);

}  // namespace pgcurfew
