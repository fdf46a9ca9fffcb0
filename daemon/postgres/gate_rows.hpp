#pragma once

#include "base/result.hpp"
#include "drains/gate.hpp"
#include "postgres/rows.hpp"

namespace pgcurfew {

/// The rows of statement::gates, sorted by name.
/// *Errors*: rows of another shape.
Result<Gates> read_gate_rows(const PGresult* result);

/// The row at the end of a successful turn, in text. If the database's limit is not the one in the journal,
/// the reply's outcome is kFailed.
/// *Errors*: a row of another shape.
Result<GateReply> read_turn(const PGresult* result);

}  // namespace pgcurfew
