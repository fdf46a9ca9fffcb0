#include "cli/check_drains.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/exit_code.hpp"
#include "base/iso_time.hpp"
#include "base/words.hpp"
#include "cli/printing.hpp"
#include "drains/drain_reach.hpp"

namespace pgcurfew {

namespace {

constexpr int kHasParameterPrivileges = 150000;
constexpr std::string_view kMissingRight = "42501";
constexpr std::string_view kStandby = "25006";
constexpr std::size_t kMostNamed = 8;

std::string quoted_list(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + printable(name, 80);
  return text;
}

std::string sessions_text(const Occupants& found) {
  auto text = fmt::format("{} session{} now", found.sessions, found.sessions == 1 ? "" : "s");
  if (found.exempt > 0) {
    text += fmt::format(", {} more {} exempt", found.exempt, found.exempt == 1 ? "is" : "are");
  }
  return text;
}

/// What no step of the drain would end: sessions, prepared transactions and logical slots; empty if there are
/// none.
std::string obstinate_text(const Occupants& found, const Gate& gate) {
  std::vector<std::string> parts;
  if (!found.stay.empty()) {
    std::string names;
    for (std::size_t i = 0; i < std::min(found.stay.size(), kMostNamed); ++i) {
      const auto& entry = found.stay[i];
      names += fmt::format("{}pid {} {} ({})", i == 0 ? "" : ", ", entry.session->key.pid,
                           printable(entry.session->user.value_or("?"), 80), printable(entry.reason, 80));
    }
    if (found.stay.size() > kMostNamed) names += fmt::format(" and {} more", found.stay.size() - kMostNamed);
    parts.push_back(fmt::format("{} of {} session{}: {}", found.stay.size(), found.sessions,
                                found.sessions == 1 ? "" : "s", names));
  }
  if (!gate.prepared.empty()) parts.push_back("prepared transactions: " + quoted_list(gate.prepared));
  if (!gate.slots.empty()) parts.push_back("logical slots: " + quoted_list(gate.slots));
  return fmt::format("{}", fmt::join(parts, "; "));
}

/// Whether the drain's mark for the gate goes to the journal of this machine.
bool needs_journal(const Drain& plan, const Gate& gate) {
  return plan.gate == GateKind::kPgbouncer ||
         (plan.gate == GateKind::kConnectionLimit && gate.access == GateAccess::kJournal);
}

std::string gate_text(const Drain& plan, const Gate& gate, const std::optional<Error>& obstacle) {
  if (obstacle) return fmt::format("its gate could not be closed: {}", obstacle->message);
  if (plan.gate == GateKind::kNone) return "no gate";
  const auto* const mark =
      needs_journal(plan, gate) ? "mark in the journal of gates of this machine" : "mark in the server";
  if (plan.gate == GateKind::kPgbouncer) {
    return fmt::format("gate: {} of a PgBouncer, which was not queried, {}",
                       plan.pgbouncer_gate == PgbouncerGate::kPause ? "PAUSE" : "DISABLE", mark);
  }
  return fmt::format("gate: CONNECTION LIMIT 0{}, {}",
                     gate.access == GateAccess::kFunction ? " by the functions of setup-sql" : "", mark);
}

/// The state of the gate, if it is closed.
std::string state_text(const Drain& plan, const Gate& gate) {
  std::string text;
  if (gate.mark) {
    text += fmt::format("; closed now, by {} for drain {}{}", printable(gate.mark->by, 80),
                        printable(gate.mark->drain, 80),
                        gate.mark->until ? " until " + plan.zone.to_text(*gate.mark->until) : "");
  } else if (gate.limit == 0) {
    text += "; CONNECTION LIMIT 0 already, without a mark in the server";
  }
  return text;
}

void print_closed(const Gate& gate) {
  print("  database {}: its gate is closed for drain {}, by {}, since {}, {}; pgcurfew reopen opens it\n",
        printable(gate.database, 80), printable(gate.mark->drain, 80), printable(gate.mark->by, 80),
        iso_8601(gate.mark->since), gate.mark->until ? "until " + iso_8601(*gate.mark->until) : "for good");
}

void complain_of_drain(const Server& server, const Drain& plan, std::string_view what, const Error& error) {
  print_error("pgcurfew: server {}: drain {}: {}{}\n", printable(server.name), plan.name, what,
              printable(error.message));
  if (!error.hint.empty()) print_error("pgcurfew: hint: {}\n", error.hint);
}

void complain_of_mark(const Server& server, const Gate& gate) {
  const auto error = malformed_mark_error(gate);
  print_error("pgcurfew: server {}: database {}: {}\npgcurfew: detail: {}\npgcurfew: hint: {}\n",
              printable(server.name), printable(gate.database, 80), error.message, error.detail, error.hint);
}

/// The result of the check of all drains on a server.
struct Check {
  int code = kExitOk;
  bool uses_journal = false;  ///< although the server could store the mark
};

void check_database(const Drain& plan, const Policy& policy, const Server& server, const OneLook& seen,
                    const Gate& gate, Check& check) {
  const auto occupants = occupants_of(plan, policy, *seen.look, gate.database);
  const auto obstacle = obstacle_to(plan, gate, *seen.gates);
  print("  drain {}: {}: {}; {}{}\n", plan.name, printable(gate.database, 80), sessions_text(occupants),
        gate_text(plan, gate, obstacle), state_text(plan, gate));
  const auto name = fmt::format("database {}: ", printable(gate.database, 80));
  if (const auto stays = obstinate_text(occupants, gate); !stays.empty()) {
    // only a warning, because these may be gone when the drain begins
    print_error("pgcurfew: server {}: drain {}: {}warning: pgcurfew may not end {}\n", printable(server.name),
                plan.name, name, stays);
  }
  if (!obstacle) {
    const bool is_avoidable = plan.gate == GateKind::kConnectionLimit;
    check.uses_journal = check.uses_journal || (is_avoidable && needs_journal(plan, gate));
  } else if (obstacle->sqlstate != kStandby) {
    // no error for a standby: it may be the primary when the drain begins
    complain_of_drain(server, plan, name, *obstacle);
    const bool is_ours = gate.database == seen.gates->own_database;
    if (obstacle->sqlstate == kMissingRight || is_ours) check.code = kExitNoPermission;
  }
}

void check_drain(const Drain& plan, const Policy& policy, const Server& server, const OneLook& seen,
                 Check& check) {
  std::map<std::string, const Gate*> found;
  for (const auto& pattern : plan.databases) {
    const auto databases = databases_of(pattern, *seen.gates);
    for (const auto* gate : databases) found[gate->database] = gate;
    if (databases.empty()) {
      complain_of_drain(server, plan, "", {"there is no database " + pattern.written(), {}, {}, {}});
    }
  }
  if (found.empty()) print("  drain {}: there is nothing to empty\n", plan.name);
  for (const auto& entry : found) check_database(plan, policy, server, seen, *entry.second, check);
}

}  // namespace

int check_drains(const Policy& policy, const Server& server, const OneLook& seen) {
  if (!seen.look) return kExitOk;
  if (!seen.gates) {
    if (policy.drains.empty()) return kExitOk;
    const auto& error = seen.gates_error.message.empty() ? seen.error : seen.gates_error;
    print_error("pgcurfew: server {}: could not read the gates of databases: {}\n", printable(server.name),
                error.message.empty() ? "no reply" : printable(error.message));
    return kExitUnavailable;
  }
  Check check;
  for (const auto& plan : policy.drains) check_drain(plan, policy, server, seen, check);
  for (const auto& gate : seen.gates->gates) {
    // shown also without drains: a drain by hand may have closed it, and a malformed mark prevents another
    // one
    if (has_malformed_mark(gate)) complain_of_mark(server, gate);
    if (gate.mark && gate.limit == 0) print_closed(gate);
  }
  if (check.uses_journal) {
    const auto way = seen.facts->version_num >= kHasParameterPrivileges
                         ? fmt::format("GRANT SET ON PARAMETER pgcurfew.drain TO {};",
                                       printable(quoted_identifier(seen.facts->role)))
                         : std::string("what pgcurfew setup-sql prints");
    print("  with {} marks are stored in the server, where every pgcurfew finds them\n", way);
  }
  return check.code;
}

}  // namespace pgcurfew
