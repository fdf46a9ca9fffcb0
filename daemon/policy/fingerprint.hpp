#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.hpp"

namespace pgcurfew {

/// 16 hex digits (FNV-1a, 64 bits) over everything that decides which sessions a rule acts on, where, when
/// and how: all of its keys except the description, and what is protected. The description and the place do
/// not count. `protect`: their digest.
std::string fingerprint_of(const Rule& rule, std::string_view protect);

/// 16 hex digits over everything that decides what a drain does: all of its keys except the description.
std::string fingerprint_of(const Drain& drain);

/// 16 hex digits over what is protected; the same for all rules of a policy.
std::string digest_of(const std::vector<Match>& protect);

/// 12 hex digits (of FNV-1a, 64 bits) over texts in their order.
std::string version_of(std::span<const std::string_view> texts);

}  // namespace pgcurfew
