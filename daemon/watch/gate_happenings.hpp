#pragma once

#include "drains/gate_keeper.hpp"
#include "watch/watch.hpp"

namespace pgcurfew {

/// Passes what a link reports to the keeper of gates, which completes it, before the watch receives it.
void complete(GateKeeper& keeper, Happening& what);

}  // namespace pgcurfew
