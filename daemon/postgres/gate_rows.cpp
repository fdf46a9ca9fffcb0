#include "postgres/gate_rows.hpp"

#include <algorithm>
#include <charconv>

#include <libpq-fe.h>

#include "postgres/row_reader.hpp"

namespace pgcurfew {

namespace {

constexpr int kGatesColumns = 14;
constexpr int kTurnColumns = 3;

std::optional<GateAccess> access_of(std::optional<std::int32_t> number) {
  if (!number || *number < 0 || *number > static_cast<std::int32_t>(GateAccess::kFunction)) {
    return std::nullopt;
  }
  return static_cast<GateAccess>(*number);
}

std::optional<GateOutcome> outcome_of(std::string_view word) {
  for (const auto outcome : {GateOutcome::kClosed, GateOutcome::kOpened, GateOutcome::kForeign,
                             GateOutcome::kGone, GateOutcome::kHeld}) {
    if (word == name_of(outcome)) return outcome;
  }
  return std::nullopt;
}

}  // namespace

Result<Gates> read_gate_rows(const PGresult* result) {
  const int rows = PQntuples(result);
  if (PQnfields(result) != kGatesColumns || rows < 1) return misshapen("list of gates");
  Gates gates;
  for (int row = 0; row < rows; ++row) {
    RowReader reader(result, row);
    const auto taken_at = reader.time();
    const auto own_database = reader.text();
    const auto in_recovery = reader.boolean();
    gates.system_identifier = reader.text().value_or("");
    Gate gate;
    const auto database = reader.text();
    const auto oid = reader.integer<std::uint32_t>();
    const auto limit = reader.integer<std::int32_t>();
    gate.mark_text = reader.text().value_or("");
    const auto is_template = reader.boolean();
    const auto allows_connections = reader.boolean();
    const auto access = access_of(reader.integer<std::int32_t>());
    gate.prepared = reader.elements();
    gate.slots = reader.elements();
    gate.logging_in = reader.elements();
    const bool is_complete = taken_at && own_database && in_recovery && database && oid && limit &&
                             is_template && allows_connections;
    if (!reader.is_good() || !is_complete || !access) return misshapen("list of gates");
    gates.taken_at = *taken_at;
    gates.own_database = *own_database;
    gates.in_recovery = *in_recovery;
    gate.database = *database;
    gate.oid = *oid;
    gate.limit = *limit;
    gate.is_template = *is_template;
    gate.allows_connections = *allows_connections;
    gate.access = *access;
    if (auto mark = parse_gate_mark(gate.mark_text)) gate.mark = std::move(*mark);
    gates.gates.push_back(std::move(gate));
  }
  std::sort(gates.gates.begin(), gates.gates.end(),
            [](const Gate& one, const Gate& other) { return one.database < other.database; });
  return gates;
}

Result<GateReply> read_turn(const PGresult* result) {
  if (PQntuples(result) != 1 || PQnfields(result) != kTurnColumns) return misshapen("reply about a gate");
  const auto text = [&](int column) { return std::string_view(PQgetvalue(result, 0, column)); };
  GateReply reply;
  const auto limit = text(2);
  const auto* end = limit.data() + limit.size();
  const auto read = std::from_chars(limit.data(), end, reply.limit);
  if (read.ec != std::errc() || read.ptr != end) return misshapen("reply about a gate");
  reply.mark_text = text(1);
  if (auto mark = parse_gate_mark(reply.mark_text)) reply.mark = std::move(*mark);
  if (text(0) == "changed") {
    reply.outcome = GateOutcome::kFailed;
    reply.error = {fmt::format("the connection limit of the database is {} now", reply.limit),
                   "It was changed since it was read.",
                   {},
                   {}};
    return reply;
  }
  const auto outcome = outcome_of(text(0));
  if (!outcome) return misshapen("reply about a gate");
  reply.outcome = *outcome;
  return reply;
}

}  // namespace pgcurfew
