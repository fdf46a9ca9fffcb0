#include "postgres/link.hpp"

/// The part of the link that asks for gates and turns them.
namespace pgcurfew {

void Link::read_gates() {}

void Link::turn_gate(const GateOrder& /*order*/) {}

}  // namespace pgcurfew
