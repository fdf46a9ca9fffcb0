#include "drains/unclaimed_gates.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/words.hpp"
#include "drains/gate.hpp"
#include "events/fields.hpp"

namespace pgcurfew {

namespace {

std::string_view reason_of(WhyUnclaimed why) {
  switch (why) {
    case WhyUnclaimed::kCluster:
      return "which was another cluster then";
    case WhyUnclaimed::kUnnamedCluster:
      return "where no such database is closed: it may have been another cluster";
    case WhyUnclaimed::kServer:
      break;
  }
  return "which is not in the policy";
}

}  // namespace

std::vector<UnclaimedGate> find_unclaimed_gates(SmallFiles& files, const std::vector<Server>& servers,
                                                const std::vector<std::string>& databases) {
  std::vector<UnclaimedGate> found;
  if (!files.find()) return found;
  const GateJournal journal(files);
  auto contents = journal.read();
  if (!contents) return found;
  for (auto& entry : contents->entries) {
    const bool is_known = std::any_of(servers.begin(), servers.end(),
                                      [&](const Server& server) { return server.name == entry.server; });
    const bool is_asked_for =
        databases.empty() || std::find(databases.begin(), databases.end(), entry.database) != databases.end();
    if (is_known || !is_asked_for) continue;
    auto file = journal.path_of(entry);
    found.push_back({std::move(entry), std::move(file)});
  }
  return found;
}

Event unclaimed_gate_event(const UnclaimedGate& gate, WhyUnclaimed why) {
  const auto& entry = gate.entry;
  const auto mark = parse_gate_mark(entry.mark);
  const bool is_pgbouncers = entry.kind == name_of(GateKind::kPgbouncer);
  Event event(Kind::kGateUnclaimed,
              fmt::format("the journal of gates holds the gate of database {} of server {}, {}",
                          printable(entry.database, 80), printable(entry.server, 80), reason_of(why)));
  event.server = entry.server;
  event.add(field::kDatabase, entry.database);
  event.add(field::kGate, entry.kind);
  event.add(field::kFile, gate.file);
  if (!entry.system_identifier.empty()) event.add(field::kSystemIdentifier, entry.system_identifier);
  std::string by_hand = "set its CONNECTION LIMIT back by hand";
  if (mark) {
    event.add(field::kDrain, mark->drain);
    event.add(field::kBy, mark->by);
    if (!is_pgbouncers) {
      event.add(field::kLimitBefore, mark->limit);
      by_hand = fmt::format("set its CONNECTION LIMIT back to {} by hand", mark->limit);
    }
    if (mark->until) event.add(field::kUntil, *mark->until);
  }
  if (is_pgbouncers) {
    by_hand = fmt::format("run {} on its PgBouncer's admin console",
                          entry.pgbouncer_gate == name_of(PgbouncerGate::kDisable) ? "ENABLE" : "RESUME");
  }
  event.add(field::kHint, fmt::format("{}; or, if the database is still closed, {}, and remove the file.",
                                      why == WhyUnclaimed::kServer
                                          ? "Add the server to the policy again under that name"
                                          : "Run pgcurfew where that name belongs to the other cluster",
                                      by_hand));
  return event;
}

}  // namespace pgcurfew
