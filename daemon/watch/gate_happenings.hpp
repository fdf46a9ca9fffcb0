#pragma once

#include "drains/gate_keeper.hpp"
#include "watch/watch.hpp"

namespace pgcurfew {

/// Lets the keeper of gates hear what a link reports, and complete it, before the watch hears it.
void complete(GateKeeper& keeper, Happening& what);

}  // namespace pgcurfew
