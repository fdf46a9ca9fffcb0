// What must have happened while there are no faults.

#include <algorithm>

#include "simulation/checks.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::seconds;

/// The rule's number of cancels.
std::size_t cancels_by(const Rule& rule) {
  const auto is_cancel = [](const Step& step) { return step.kind == StepKind::kCancel; };
  return static_cast<std::size_t>(std::find_if(rule.escalate.begin(), rule.escalate.end(), is_cancel) -
                                  rule.escalate.begin());
}

/// The time within which a look must come for a rule: the limit of its finest age, because coarser ones began
/// earlier. Waits of other sessions can begin at any time: the limit that the rule sets for them.
Duration longest_between_looks(const Rule& rule) {
  const auto blocking = oracle::blocking_of(rule);
  auto longest = rule.match.ages.empty() ? Duration(seconds(1)) : rule.match.ages.front().limit;
  if (blocking.patience) longest = *blocking.patience;
  for (const auto& age : rule.match.ages) {
    if (age.clock <= Clock::kBlocksFor) longest = std::min(longest, age.limit);
    // ten looks within the limit show whether a blocker waits itself
    if (age.clock == Clock::kBlocksFor) longest = std::min(longest, age.limit / 10);
  }
  return longest;
}

/// When the backend began to hold back as many transactions as the rule requires, by the steady clock.
std::optional<Duration> old_since(const Rule& rule, const Backend& backend) {
  std::optional<Duration> since;
  for (const auto& condition : rule.match.conditions) {
    const auto* test = std::get_if<XminAgeTest>(&condition.test);
    if (test == nullptr) continue;
    const auto oldest = std::min(backend.xid.value_or(INT64_MAX), backend.xmin.value_or(INT64_MAX));
    since = (oldest + test->at_least - 1000) * Server::kTransaction;
  }
  return since;
}

bool has_xmin_age(const Rule& rule) {
  const auto& conditions = rule.match.conditions;
  return std::any_of(conditions.begin(), conditions.end(),
                     [](const Condition& condition) { return condition.field == Field::kXminAge; });
}

/// The rule's limit on one clock, or the latest limit of an exception; empty if there is none.
std::optional<Duration> latest_limit(const Rule& rule, Clock clock) {
  std::optional<Duration> latest;
  const auto add = [&](const Match& match) {
    for (const auto& age : match.ages) {
      if (age.clock == clock) latest = std::max(latest.value_or(age.limit), age.limit);
    }
  };
  add(rule.match);
  for (const auto& exception : rule.except) add(exception.match);
  return latest;
}

/// The sessions, each with its present wait for a lock as the only one of its statement: a look may show that
/// an earlier wait ended, so counting from the present one is in time.
std::map<std::int32_t, Backend> with_present_waits(std::map<std::int32_t, Backend> sessions) {
  for (auto& [pid, backend] : sessions) backend.first_wait = backend.lock_wait;
  return sessions;
}

Duration waits_of(const Rule& rule) {
  Duration waits{};
  for (const auto& step : rule.escalate) waits += step.after;
  return waits;
}

}  // namespace

void Checks::expect_order(Duration ready) {
  const auto& book = books_.at(0);
  if (book.connected_since == 0) {
    throw Violation("reconnect", fmt::format("no connection {} after the world is whole",
                                             to_text(site_.agenda.now() - ready)));
  }
  const auto& server = *site_.nodes[site_.active].server;
  const auto sessions = with_present_waits(server.backends());
  for (const auto& rule : book.policy->rules) {
    if (rule.mode == Mode::kEnforce) expect_rule(book, rule, {&sessions, server.transactions()}, ready);
  }
}

bool Checks::is_held_back(const Book& book, const Backend& backend) const {
  return std::any_of(book.held_back.begin(), book.held_back.end(), [&](const auto& entry) {
    const auto& [held, until] = entry;
    return held.mode == Mode::kEnforce && site_.agenda.now() < until && held.is_for(backend.user);
  });
}

/// No more sessions are overdue than `keep` leaves alone.
void Checks::expect_rule(const Book& book, const Rule& rule, const oracle::Scene& scene,
                         Duration ready) const {
  const auto& server = *site_.nodes[site_.active].server;
  // the share of used connections changes from look to look; the end of a pause by `repeat` cannot be
  // predicted
  if (rule.when.connections_used) return;
  if (rule.repeat && rule.repeat->then == RepeatAction::kPause) return;
  if (rule.when.role && server.in_recovery != (*rule.when.role == Role::kStandby)) return;
  std::map<std::string, std::size_t> groups;
  for (const auto& [pid, backend] : *scene.sessions) {
    if (backend.is_superuser || backend.user.empty() || backend.is_doomed) continue;
    if (!oracle::untouchable(*book.policy, backend, scene).empty() || is_held_back(book, backend)) continue;
    const auto late = overdue(book, rule, backend, scene, ready);
    if (!late || *late < room_for(book, rule, backend)) continue;
    std::string group;
    for (const auto field : rule.selection.per) group += oracle::value_of(backend, field).value_or("-") + ";";
    if (++groups[group] <= rule.selection.keep.value_or(0)) continue;
    throw Violation("late",
                    fmt::format("pid {} ({} user={} state={}) under {}: the last step is {} overdue", pid,
                                backend.backend_type, backend.user,
                                backend.state ? name_of(*backend.state) : "NULL", rule.name, to_text(*late)));
  }
}

std::optional<Duration> Checks::shown_at(const Book& book, const Backend& backend) const {
  const auto found = book.shown.find(backend.birth);
  if (found == book.shown.end() || found->second.first != backend.facts_changed) return std::nullopt;
  return found->second.second;
}

std::optional<Duration> Checks::shown_blocking_since(const Book& book, const Backend& backend) {
  const auto found = book.shown_free.find(backend.birth);
  if (found == book.shown_free.end()) return std::nullopt;
  std::vector<Duration> since;
  for (const auto& [waiter, first] : found->second) since.push_back(first);
  // for those waiters that match, the time is one of these, or earlier
  std::sort(since.begin(), since.end());
  return since.empty() ? std::nullopt : std::optional(since.back());
}

/// For each step, a reply and a look at its effect; before them one look that shows the session in its
/// present state, if none has yet.
Duration Checks::room_for(const Book& book, const Rule& rule, const Backend& backend) const {
  Duration look = std::chrono::hours(1);
  for (const auto& other : book.policy->rules) look = std::min(look, longest_between_looks(other));
  look = std::max<Duration>(look, seconds(1));
  const auto blocking = oracle::blocking_of(rule);
  const bool is_about_others = blocking.is_asked || blocking.is_for_waiters || has_xmin_age(rule);
  // a look may have shown it waiting itself, or may have been the first to show its waiters
  if (is_about_others) look *= 2;
  if (shown_at(book, backend) && !is_about_others) look = Duration(0);
  auto room = look + seconds(1) + seconds(1) * static_cast<std::int64_t>(rule.escalate.size());
  if (rule.selection.at_most || rule.selection.pause > Duration(0)) {
    const auto sessions = site_.nodes[site_.active].server->backends().size();
    const auto before_it = static_cast<std::int64_t>(sessions * rule.escalate.size());
    room += (rule.selection.pause + seconds(3)) * before_it;
  }
  return room;
}

/// By how much the last step is overdue; empty if none is due.
std::optional<Duration> Checks::overdue(const Book& book, const Rule& rule, const Backend& backend,
                                        const oracle::Scene& scene, Duration ready) const {
  const auto& server = *site_.nodes[site_.active].server;
  const auto due = oracle::due(rule, backend, scene);
  if (!due || !oracle::applies(rule, backend, scene)) return std::nullopt;
  // if the clock was set since, it is as old as that clock shows
  if (due->oldest < server.last_step()) return std::nullopt;
  // a time that the clock showed twice is taken as from before the step: late is better than early
  if (due->oldest_shown <= server.highest_at_step()) return std::nullopt;
  const auto is_signal = [](const Step& step) { return step.kind != StepKind::kAlert; };
  const auto strongest = std::find_if(rule.escalate.rbegin(), rule.escalate.rend(), is_signal);
  if (strongest == rule.escalate.rend()) return std::nullopt;
  if (strongest->kind == StepKind::kCancel && was_cancelled(book, rule, backend)) return std::nullopt;
  const auto open = oracle::open_since(rule.hours, server.shown_now());
  if (!open) return std::nullopt;
  const auto waits = waits_of(rule);
  const auto since = std::max(ready, shown_at(book, backend).value_or(backend.facts_changed));
  auto late = std::min(server.steady_now() - due->steady, site_.agenda.now() - since);
  late = std::min(late, server.shown_now() - *open);
  const auto blocks_for = latest_limit(rule, Clock::kBlocksFor);
  if (blocks_for && backend.waited_until) {
    late = std::min(late, server.steady_now() - *backend.waited_until - *blocks_for);
  }
  const auto shown = shown_blocking_since(book, backend);
  if (blocks_for && shown) late = std::min(late, server.steady_now() - *shown - *blocks_for);
  if (oracle::blocking_of(rule).is_asked) {
    // it has a value, because the rule applies
    late = std::min(late, server.steady_now() - oracle::blocking_since(rule, backend, scene)->steady);
  }
  if (const auto old = old_since(rule, backend)) late = std::min(late, server.steady_now() - *old);
  return late - waits;
}

/// Whether there is nothing to cancel, or was not when the cancel was due and a later step was taken.
bool Checks::was_cancelled(const Book& book, const Rule& rule, const Backend& backend) const {
  if (!oracle::can_be_cancelled(backend)) return true;
  const auto effects = book.effects.find(backend.birth);
  if (effects == book.effects.end()) return false;
  return std::any_of(effects->second.begin(), effects->second.end(), [&](const Effect& effect) {
    return effect.mode == rule.mode && effect.steps_done.contains(rule.name) &&
           cancels_by(rule) <= effect.steps_done.at(rule.name) &&
           effect.serials.contains(oracle::episode(rule, backend));
  });
}

}  // namespace pgcurfew::simulation
