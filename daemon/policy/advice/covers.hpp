#pragma once

#include "policy/policy.hpp"

namespace pgcurfew {

/// Whether every session that matches `narrow` certainly matches the conditions of `wide` (ages are ignored).
/// If the texts alone do not decide it (such as two regular expressions), it is not certain.
bool covers(const Match& wide, const Match& narrow);

}  // namespace pgcurfew
