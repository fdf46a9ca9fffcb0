#pragma once

#include "base/result.hpp"
#include "drains/gate.hpp"
#include "postgres/rows.hpp"

namespace pgcurfew {

/// The rows of statement::gates, sorted by name.
/// *Errors*: rows of another shape.
Result<Gates> read_gate_rows(const PGresult* result);

/// The row that ends a turn which went well, in text.
/// *Errors*: a row of another shape; a limit that is not the one that the journal knows.
Result<GateReply> read_turn(const PGresult* result);

}  // namespace pgcurfew
