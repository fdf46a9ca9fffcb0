#include "watch/gate_happenings.hpp"

#include <variant>

namespace pgcurfew {

void complete(GateKeeper& keeper, Happening& what) {
  if (auto* read = std::get_if<happening::GatesRead>(&what)) keeper.complete(read->gates);
  if (auto* turned = std::get_if<happening::GateTurned>(&what)) keeper.complete(turned->reply);
  if (std::holds_alternative<happening::ConnectionLost>(what)) keeper.connection_lost();
}

}  // namespace pgcurfew
