#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "policy/policy.hpp"

namespace pgcurfew {

/// A protection that is on unless `unprotect` names it.
struct Protection {
  std::string_view name;
  std::string_view meaning;  ///< the sessions that it protects; a line, without a full stop
  Match match;               ///< with Match::protection set
};

/// The built-in protections, in the order in which `check` shows them.
///
/// sync-rep: sessions whose commit waits for a standby. A signal would only hide from the client that the
/// transaction is committed.
const std::vector<Protection>& all_protections();

/// Null if there is no protection of that name.
const Protection* protection_named(std::string_view name);

std::span<const std::string_view> protection_names();

}  // namespace pgcurfew
