#pragma once

#include "policy/policy.hpp"

namespace pgcurfew {

/// Whether every session that fits `narrow` is sure to fit the conditions of `wide` (ages are not looked at).
/// What cannot be told from the texts alone (two regular expressions, say) is not sure.
bool covers(const Match& wide, const Match& narrow);

}  // namespace pgcurfew
