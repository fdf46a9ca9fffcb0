#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/order.hpp"
#include "postgres/binary.hpp"
#include "postgres/rows.hpp"

namespace pgcurfew {

/// One of the facts that a guard can hold: the one place where it stands as SQL and as a parameter.
struct GuardFact {
  std::string_view name;
  /// What must hold for the row `s`. `{p}` is the parameter, `{column}` the column of a look with that name.
  std::string holds;
  /// The parameter; nothing: this guard does not ask for the fact.
  std::function<std::optional<Bytes>(const Guard& guard, const NameCache& names)> value;
};

/// All of them, in the order of their parameters.
const std::vector<GuardFact>& guard_facts();

/// The parameters before theirs: $1 to $6, of which the last says by its bits which facts are asked for.
inline constexpr int kGuardHead = 6;

/// What of that number stands for the fact at an index, for those of these names.
int guard_bit(std::size_t index);
int guard_bits(std::initializer_list<std::string_view> names);

/// ... and that a commit that waits for synchronous replication is not spared.
inline constexpr int kLetWaitForSyncRep = 1 << 30;

}  // namespace pgcurfew
