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

/// One of the facts that a guard can check: its SQL and its parameter. The SQL of its column is in
/// look_columns.cpp.
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

/// The bit of $6 for the fact at an index; the bits for all facts with these names.
int guard_bit(std::size_t index);
int guard_bits(std::initializer_list<std::string_view> names);

/// The bit of $6 that permits a signal to a session whose commit waits for synchronous replication.
inline constexpr int kLetWaitForSyncRep = 1 << 30;

}  // namespace pgcurfew
