#include "cli/one_look.hpp"

#include <algorithm>
#include <memory>
#include <string_view>

#include "app/exit_code.hpp"
#include "base/words.hpp"
#include "cli/printing.hpp"
#include "drains/drain_reach.hpp"
#include "engine/blockers.hpp"
#include "engine/explain.hpp"
#include "postgres/link.hpp"
#include "system/loop.hpp"

namespace pgcurfew {

namespace {

/// A connection to one server, for a single look.
class Looker {
 public:
  Looker(Loop& loop, const Server& server, LookAt what, bool tries_server_log, std::function<void()> on_done)
      : what_(what),
        tries_server_log_(tries_server_log),
        link_(Conninfo::parse(server.conninfo).value_or(Conninfo{})),
        readiness_(loop, [this] { pump(true); }),
        on_done_(std::move(on_done)) {}

  void start() {
    link_.connect();
    pump(false);
  }

  OneLook outcome;
  bool is_done = false;

 private:
  void pump(bool ready) {
    while (!is_done) {
      auto happened = link_.proceed(Loop::now(), std::exchange(ready, false));
      if (happened.empty()) break;
      for (auto& what : happened) handle(what);
    }
    if (is_done) link_.disconnect();
    const auto interest = link_.interest();
    readiness_.watch(interest.fd, interest.write, interest.may_have_moved);
    if (is_done) on_done_();
  }

  void handle(Happening& what) {
    if (is_done) return;
    if (const auto* connected = std::get_if<happening::Connected>(&what)) {
      outcome.facts = connected->facts;
      if (tries_server_log_) link_.tell_server_log("");
      link_.take_look({1, QueryTexts::kAll, true});
    } else if (auto* look = std::get_if<happening::LookTaken>(&what)) {
      outcome.look = std::move(look->look);
      // there is no earlier look to remember
      WaitMemory().link(*outcome.look);
      if (what_ == LookAt::kSessions) {
        is_done = true;
      } else {
        link_.read_gates(false);
      }
    } else if (auto* untold = std::get_if<happening::ServerLogFailed>(&what)) {
      outcome.server_log_error = std::move(untold->error);
    } else if (const auto* read = std::get_if<happening::GatesRead>(&what)) {
      outcome.gates = read->gates;
      outcome.gates->is_superuser = outcome.facts->is_superuser;
      is_done = true;
    } else if (const auto* not_read = std::get_if<happening::GatesFailed>(&what)) {
      outcome.gates_error = not_read->error;
      is_done = true;
    } else if (const auto* lost = std::get_if<happening::ConnectionLost>(&what)) {
      outcome.error = lost->error;
      is_done = true;
    } else if (const auto* failed = std::get_if<happening::LookFailed>(&what)) {
      outcome.error = failed->error;
      is_done = true;
    }
  }

  LookAt what_;
  bool tries_server_log_;
  Link link_;
  Readiness readiness_;
  std::function<void()> on_done_;
};

}  // namespace

std::vector<OneLook> look_once(const Policy& policy, LookAt what) {
  std::vector<OneLook> looks(policy.servers.size());
  auto loop = Loop::create();
  if (!loop) {
    for (auto& look : looks) look.error = loop.error();
    return looks;
  }
  std::vector<std::unique_ptr<Looker>> lookers;
  const auto exit_if_done = [&] {
    const bool all =
        std::all_of(lookers.begin(), lookers.end(), [](const auto& looker) { return looker->is_done; });
    if (all) loop->exit(0);
  };
  Timer deadline(*loop, [&] { loop->exit(0); });
  deadline.arm(Loop::now() + Watch::kConnectDeadline);
  for (const auto& server : policy.servers) {
    lookers.push_back(std::make_unique<Looker>(
        *loop, server, what, policy.tells_server_log && what == LookAt::kEverything, exit_if_done));
  }
  for (const auto& looker : lookers) looker->start();
  loop->run();
  for (std::size_t i = 0; i < looks.size(); ++i) {
    looks[i] = std::move(lookers[i]->outcome);
    if (!lookers[i]->is_done) looks[i].error.message = "no reply within ten seconds";
  }
  return looks;
}

namespace {

/// Whether a rule would signal the session, now or later.
bool is_for_a_rule(const Policy& policy, const Look& look, const LookFinding& around, std::size_t session) {
  const auto finding = explain(policy, look, around, session);
  return finding.immunity == Immunity::kNone &&
         std::any_of(finding.rules.begin(), finding.rules.end(), [](const RuleFinding& rule) {
           return rule.next && !rule.is_left_alone() && rule.next->kind != StepKind::kAlert;
         });
}

bool is_for_a_drain(const Policy& policy, const Look& look, const Session& session) {
  return std::any_of(policy.drains.begin(), policy.drains.end(), [&](const Drain& drain) {
    const bool is_in = session.database &&
                       std::any_of(drain.databases.begin(), drain.databases.end(),
                                   [&](const auto& pattern) { return pattern.matches(*session.database); });
    if (!is_in) return false;
    const auto stay = occupants_of(drain, policy, look, *session.database).stay;
    return std::any_of(stay.begin(), stay.end(), [&](const Occupants::Stays& entry) {
      return entry.session == &session && entry.reason == Occupants::kNoRight;
    });
  });
}

}  // namespace

bool may_signal(const Policy& policy, const OneLook& seen) {
  if (seen.facts->can_signal) return true;
  if (seen.facts->lacks_signal() || !seen.look) return false;
  const auto& sessions = seen.look->sessions;
  const auto around = find_in_look(policy, *seen.look);
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    if (!sessions[i].is_beyond_us || sessions[i].is_superusers) continue;
    if (is_for_a_rule(policy, *seen.look, around, i)) return false;
    if (is_for_a_drain(policy, *seen.look, sessions[i])) return false;
  }
  return true;
}

void complain_of(const Policy& policy, const Server& server, const OneLook& seen) {
  const auto name = printable(server.name);
  if (!seen.look) {
    print_error("pgcurfew: server {}: {}\n", name, printable(seen.error.message));
    if (!seen.error.hint.empty()) print_error("pgcurfew: hint: {}\n", printable(seen.error.hint));
    return;
  }
  const auto missing = [&](bool has, std::string_view privilege) {
    if (has) return;
    const auto role = printable(quoted_identifier(seen.facts->role));
    print_error(
        "pgcurfew: server {}: role {} lacks {}\n"
        "pgcurfew: hint: GRANT {} TO {}; and if it is a member already, ALTER ROLE {} INHERIT;\n",
        name, printable(seen.facts->role), privilege, privilege, role, role);
  };
  missing(seen.facts->can_read_all_stats, "pg_read_all_stats");
  missing(may_signal(policy, seen), "pg_signal_backend");
  if (seen.look->waits_failed) {
    print_error("pgcurfew: server {}: could not read lock waits; no rule on blockers matches\n", name);
  }
}

int exit_code_of(const Policy& policy, const OneLook& seen) {
  if (!seen.look) return kExitUnavailable;
  return seen.facts->can_read_all_stats && may_signal(policy, seen) ? kExitOk : kExitNoPermission;
}

int worse(int a, int b) {
  return a == kExitUnavailable || b == kExitOk ? a : b;
}

}  // namespace pgcurfew
