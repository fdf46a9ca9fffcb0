#include <algorithm>

#include "simulation/drain_checks.hpp"

/// Checks of PgBouncer's gates, of gates that remain closed, and of openings by hand.
namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Two readings of the gates, two answers of the console.
constexpr Duration kToYield = seconds(15);
/// A minute between two readings, a minute of pauses after failures, and the time to open a gate.
constexpr Duration kToGiveBack = minutes(2) + seconds(20);

}  // namespace

const Database& DrainChecks::gate_of(const Drain& drain, std::size_t node, const std::string& name) const {
  return drain.gate == GateKind::kPgbouncer ? site_.pgbouncer->all.at(name) : site_.gates[node].all.at(name);
}

bool DrainChecks::knew_of(const Issued& issued, const std::string& database, Duration at) {
  if (issued.plan.gate != GateKind::kPgbouncer) return issued.gates_read >= at;
  const auto seen = issued.pgbouncer_seen.find(database);
  return seen != issued.pgbouncer_seen.end() && seen->second >= at;
}

void DrainChecks::on_gone(int instance) {
  if (reopeners_.erase(instance) > 0) policies_.erase(instance);
}

void DrainChecks::on_settled() const {
  if (site_.pgbouncer) check_pgbouncer_written_down();
}

void DrainChecks::on_pgbouncer_seen(int instance, const std::string& database, Duration at) {
  pgbouncer_seen_[{instance, database}] = at;
}

/// A closed gate that is in no journal would remain closed forever.
void DrainChecks::check_pgbouncer_written_down() const {
  for (const auto& [name, database] : site_.pgbouncer->all) {
    if (database.limit != 0 || !journals(name, GateKind::kPgbouncer).empty()) continue;
    throw Violation("unwritten", fmt::format("{} is closed at PgBouncer, and no journal says so", name));
  }
}

void DrainChecks::expect_pgbouncer_given_back() const {
  const auto now = site_.server().shown_now();
  for (const auto& entry : site_.pgbouncer->all) {
    for (const auto& text : journals(entry.first, GateKind::kPgbouncer)) {
      const auto mark = parse_gate_mark(text);
      if (!mark || !mark->until || now <= *mark->until + kToGiveBack) continue;
      throw Violation("not-given-back",
                      fmt::format("{} of PgBouncer's bears a mark that is over since {}: {}", entry.first,
                                  to_text(now - *mark->until), text));
    }
  }
}

void DrainChecks::on_opened_by_hand(const std::string& database, bool is_visible) {
  const auto& drain = site_.pgbouncer->all.at(database).closed_for;
  opened_by_people_ = site_.agenda.now();
  if (is_visible && is_running(drain, database))
    opened_by_hand_.push_back({database, drain, site_.agenda.now()});
}

/// Whether the drain is under way and has its gate of the database at PgBouncer.
bool DrainChecks::is_running(const std::string& drain, const std::string& database) const {
  return std::any_of(runs_.begin(), runs_.end(), [&](const auto& run) {
    const auto* plan = run.first.second == drain ? plan_of(run.first.first, drain) : nullptr;
    return plan != nullptr && plan->gate == GateKind::kPgbouncer && oracle::takes_in(*plan, database);
  });
}

/// Whether any gate was opened by hand since the server's clock showed `since`, or a little earlier.
bool DrainChecks::was_opened_by_people(ServerTime since) const {
  const auto ago = site_.server().shown_now() - since + minutes(1);
  return opened_by_people_ != Duration::min() && site_.agenda.now() - opened_by_people_ <= ago;
}

/// A drain does not close a gate again that was opened by hand.
void DrainChecks::check_overridden(int instance, const GateOrder& order) const {
  if (order.kind != GateKind::kPgbouncer || reopeners_.contains(instance)) return;
  for (const auto& opened : opened_by_hand_) {
    if (opened.drain != order.mark.drain || opened.database != order.database) continue;
    throw Violation("overridden",
                    fmt::format("{} closes {} for {} again, which people opened {} ago", order.id,
                                order.database, opened.drain, to_text(site_.agenda.now() - opened.at)));
  }
}

/// A drain whose gate was opened by hand ends, for all of its databases.
void DrainChecks::expect_yielded() const {
  for (const auto& opened : opened_by_hand_) {
    const auto ago = site_.agenda.now() - opened.at;
    if (opened.at < *site_.ready_since || ago <= kToYield) continue;
    throw Violation("overridden", fmt::format("people opened {} {} ago, and {} goes on", opened.database,
                                              to_text(ago), opened.drain));
  }
}

/// Only `reopen` and the drain itself open a gate whose mark has no end.
void DrainChecks::check_opening(int instance, const GateOrder& order) {
  if (reopeners_.contains(instance)) opened_by_people_ = site_.agenda.now();
  if (order.mark.until || reopeners_.contains(instance) || runs_.contains({instance, order.mark.drain})) {
    return;
  }
  throw Violation("held", fmt::format("{} opens {}, which drain {} has left closed", order.id, order.database,
                                      order.mark.drain));
}

/// Without faults, and while no drain is under way, `reopen` restores everything.
void DrainChecks::on_reopened(const Reopened& reopened) {
  opened_by_people_ = site_.agenda.now();
  tally_.reopened += reopened.opened.size();
  if (!site_.ready_since || !runs_.empty()) return;
  if (!reopened.failed.empty()) {
    throw Violation("reopen", fmt::format("{} could not be opened: {}", reopened.failed.front().first,
                                          reopened.failed.front().second.message));
  }
  // entries of another machine's journal are left to that machine
  if (policies_.size() > 2) return;
  for (const auto& [name, database] : site_.gates[site_.active].all) {
    if (database.limit != database.intended || !database.mark.empty())
      throw Violation(
          "reopen", fmt::format("{} has the limit {}, and the mark {}", name, database.limit, database.mark));
  }
  if (!site_.pgbouncer) return;
  for (const auto& [name, database] : site_.pgbouncer->all) {
    if (database.limit == 0) throw Violation("reopen", name + " is closed at PgBouncer");
  }
}

void DrainChecks::on_look(int instance, const LookCopy& look) {
  const auto& server = *site_.nodes[look.node].server;
  for (const auto& run : runs_) {
    const auto* plan = run.first.first == instance ? plan_of(instance, run.first.second) : nullptr;
    if (plan == nullptr) continue;
    const bool is_empty = std::none_of(look.rows.begin(), look.rows.end(), [&](const auto& row) {
      const auto& backend = row.second;
      return backend.backend_type == "client backend" && oracle::takes_in(*plan, backend.database) &&
             !oracle::excepted(*plan, backend);
    });
    if (is_empty) emptied_[run.first] = server.shown_now() - (site_.agenda.now() - look.executed);
  }
}

/// A session that connects after the database was empty is terminated at once.
void DrainChecks::check_latecomer(const Issued& issued, ServerTime since, const std::string& who) const {
  const auto wait = oracle::time_to(issued.plan, issued.order.step);
  const auto rounding = site_.was_injected("slow") ? Duration(seconds(5)) : Duration(milliseconds(5));
  const auto now = site_.server().shown_now();
  if (wait && now + rounding >= since + *wait) return;
  const auto emptied = emptied_.find({issued.instance, issued.plan.name});
  if (emptied != emptied_.end() && emptied->second + rounding >= since) return;
  throw Violation("latecomer", fmt::format("{} came after the gate closed, {} before the step is due, and "
                                           "nobody has seen it empty since",
                                           who, wait ? to_text(since + *wait - now) : "and it has none"));
}

}  // namespace pgcurfew::simulation
