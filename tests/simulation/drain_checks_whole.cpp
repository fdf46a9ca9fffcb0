#include <algorithm>

#include "simulation/drain_checks.hpp"

/// The laws of drains while there are no faults.
namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// A minute between two readings, three seconds for the instance that closed it, a minute of pauses after
/// failures.
constexpr Duration kToGiveBack = minutes(1) + seconds(3) + minutes(1) + seconds(10);
/// From the beginning of a window to a closed gate; and from the end of the wait to the end of a session: a
/// look, an order, another look.
constexpr Duration kToClose = seconds(10);
constexpr Duration kToEnd = seconds(4);

}  // namespace

void DrainChecks::expect_order() {
  check_written_down(site_.active);
  expect_given_back();
  expect_yielded();
  if (site_.pgbouncer) expect_pgbouncer_given_back();
  // all instances have the same policy
  const auto& policy = *policies_.begin()->second;
  for (const auto& drain : policy.drains) expect_window(policy, drain);
}

void DrainChecks::expect_given_back() const {
  const auto now = site_.server().shown_now();
  for (const auto& [name, database] : site_.gates[site_.active].all) {
    auto marks = journals(name, GateKind::kConnectionLimit);
    marks.push_back(database.mark);
    for (const auto& text : marks) {
      const auto mark = parse_gate_mark(text);
      if (!mark || !mark->until || now <= *mark->until + kToGiveBack) continue;
      throw Violation("not-given-back", fmt::format("{} bears a mark that is over since {}: {}", name,
                                                    to_text(now - *mark->until), text));
    }
    const bool is_marked =
        std::any_of(marks.begin(), marks.end(), [](const auto& text) { return !text.empty(); });
    // a mark with a time after the clock was set back remains until that time
    const auto own = parse_gate_mark(database.mark);
    const bool is_to_come = site_.was_injected("clock step") && own && own->until.value_or(now) > now;
    // only `reopen` removes a mark without an end, even if the limit was changed since
    const bool is_held_for_good = own && !own->until;
    if (!database.mark.empty() && database.limit != 0 && !is_to_come && !is_held_for_good &&
        site_.agenda.now() - database.meddled > kToGiveBack) {
      throw Violation("not-given-back", fmt::format("{} is open and bears a mark", name));
    }
    if (database.limit == 0 && database.intended != 0 && !is_marked) {
      throw Violation("not-given-back", fmt::format("{} is closed without a mark", name));
    }
  }
}

/// Whether the database has another drain's mark that has not expired: the clock was set back, or the gate
/// remains closed.
bool DrainChecks::is_held(const std::string& database, const Drain& drain) const {
  auto marks = journals(database, drain.gate);
  if (drain.gate != GateKind::kPgbouncer) marks.push_back(site_.gates[site_.active].all.at(database).mark);
  const auto now = site_.server().shown_now();
  return std::any_of(marks.begin(), marks.end(), [&](const std::string& text) {
    const auto mark = parse_gate_mark(text);
    return mark && mark->drain != drain.name && mark->until.value_or(ServerTime::max()) > now;
  });
}

/// In a window that began without faults, the gates are closed and no session stays.
void DrainChecks::expect_window(const Policy& policy, const Drain& drain) {
  const auto now = site_.server().shown_now();
  const auto window = oracle::window(drain, now);
  if (!window || now < window->start + kToClose || now > window->end - seconds(2)) return;
  if (now - window->start > site_.agenda.now() - *site_.ready_since) return;
  // a window whose beginning the clock shows a second time does not begin again
  if (window->start <= site_.server().highest_at_step()) return;
  // if clocks go forward, a delayed window can overlap the next one
  if (oracle::window(drain, window->start - milliseconds(1))) return;
  if (drain.give_up && now > window->start + drain.give_up->after) return;
  if (was_opened_by_people(window->start)) return;
  std::optional<ServerTime> since;
  for (const auto& entry : site_.gates[site_.active].all) {
    const auto& name = entry.first;
    const auto& database = gate_of(drain, site_.active, name);
    if (!oracle::takes_in(drain, name)) continue;
    if (!oracle::has_gate(drain)) {
      const bool is_of_now = database.closed_since >= window->start;
      if (database.closed_for == drain.name && is_of_now)
        throw Violation("drain-dry-run", name + " is closed");
      since = window->start;
      continue;
    }
    if (database.intended == 0 || is_held(name, drain)) return;
    if (database.closed_for != drain.name || database.limit != 0) {
      throw Violation("no-gate", fmt::format("{} is open in the window of {}", name, drain.name));
    }
    since = std::max({since.value_or(ServerTime::min()), database.closed_since,
                      drain.reopens ? ServerTime::min() : window->start});
  }
  if (!since || drain.mode == Mode::kDryRun) return;
  for (const auto& [name, database] : site_.gates[site_.active].all) {
    if (oracle::takes_in(drain, name)) expect_empty(policy, drain, name, *since);
  }
}

void DrainChecks::expect_empty(const Policy& policy, const Drain& drain, const std::string& database,
                               ServerTime since) {
  const auto wait = oracle::time_to(drain, StepKind::kTerminate);
  const auto& server = site_.server();
  const auto now = server.shown_now();
  if (!wait) return;
  const auto due = since + *wait;
  bool is_empty = true;
  for (const auto& [pid, backend] : server.backends()) {
    if (backend.database != database || !oracle::spared(policy, drain, backend).empty()) continue;
    is_empty = false;
    const bool is_late = backend.start.shown > since;
    if (backend.is_superuser || (is_late && !drain.terminates_latecomers)) continue;
    const auto from = std::max(due, backend.appeared);
    if (now > from + kToEnd + backend.latency) {
      throw Violation("not-empty", fmt::format("{} is still there {} after it was to be ended by {}",
                                               oracle::name_of(backend), to_text(now - from), drain.name));
    }
  }
  if (is_empty && now > due) ++tally_.emptied;
}

}  // namespace pgcurfew::simulation
