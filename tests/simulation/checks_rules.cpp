// What a rule requires of the server, of sessions that wait, and of itself, at the time of an effect.

#include <algorithm>

#include "simulation/checks.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kRounding = milliseconds(1);

/// The sessions of a look, with their lock waits at the time when those were read.
std::map<std::int32_t, Backend> sessions_of(const LookCopy& look) {
  std::map<std::int32_t, Backend> sessions;
  for (const auto& [key, row] : look.rows) {
    auto& session = sessions.emplace(key.pid, row).first->second;
    const auto later = look.at_waits.find(key.pid);
    if (later == look.at_waits.end() || later->second.birth != row.birth) continue;
    session.lock_wait = later->second.lock_wait;
    session.first_wait = later->second.first_wait;
    session.blockers = later->second.blockers;
    session.holds_up = later->second.holds_up;
  }
  return sessions;
}

bool is_same_group(const Selection& selection, const Backend& a, const Backend& b) {
  return std::all_of(selection.per.begin(), selection.per.end(),
                     [&](Field field) { return oracle::value_of(a, field) == oracle::value_of(b, field); });
}

const Rule* find_rule(const Policy& policy, const std::string& name) {
  const auto found = std::find_if(policy.rules.begin(), policy.rules.end(),
                                  [&](const Rule& rule) { return rule.name == name; });
  return found == policy.rules.end() ? nullptr : &*found;
}

}  // namespace

void Checks::count_parts(const Rule& rule, bool is_hastened) {
  const auto count = [&](const char* part, bool is_used) {
    if (is_used) ++tally_.parts[part];
  };
  const auto blocking = oracle::blocking_of(rule);
  const auto& conditions = rule.match.conditions;
  count("blockers", blocking.is_asked && !blocking.is_for_waiters);
  count("waiters", blocking.is_for_waiters);
  count("xmin_age", std::any_of(conditions.begin(), conditions.end(), [](const Condition& condition) {
          return condition.field == Field::kXminAge;
        }));
  count("keep", rule.selection.keep.has_value());
  count("at_most", rule.selection.at_most.has_value());
  count("pause", rule.selection.pause > Duration(0));
  count("when", !rule.when.is_empty());
  count("hours", !rule.hours.is_empty());
  count("repeat", rule.repeat.has_value());
  count("hastened", is_hastened);
}

/// Records which sessions a look showed waiting: time for which such a session blocked others until then does
/// not count.
void Checks::note_waits(Book& book, const LookCopy& copy) const {
  if (copy.hides_others) return;
  for (const auto& [key, row] : copy.rows) {
    if (site_.ready_since) {
      auto& shown = book.shown[row.birth];
      if (shown.first != row.facts_changed) shown = {row.facts_changed, copy.executed};
    }
    if (row.wait_event_type == "Lock") book.seen_waiting[row.birth] = copy.steady;
  }
  note_free(book, copy);
}

void Checks::note_free(Book& book, const LookCopy& copy) {
  std::map<std::uint64_t, std::map<std::uint64_t, Duration>> shown;
  for (const auto& [key, row] : copy.rows) {
    const auto later = copy.at_waits.find(key.pid);
    if (row.wait_event_type == "Lock" || later == copy.at_waits.end() || later->second.birth != row.birth)
      continue;
    const auto& before = book.shown_free[row.birth];
    for (const auto& [waiter, since] : later->second.holds_up) {
      const auto known = before.find(waiter);
      const bool is_same = known != before.end() && since.steady <= known->second;
      shown[row.birth][waiter] = is_same ? known->second : copy.steady;
    }
  }
  book.shown_free = std::move(shown);
}

/// Forgets what was counted for rules whose meaning has changed.
void Checks::forget_rules(Book& book, const Policy& after) const {
  const auto is_kept = [&](const std::string& name) {
    const auto* old_rule = find_rule(*book.policy, name);
    const auto* rule = find_rule(after, name);
    return old_rule != nullptr && rule != nullptr && old_rule->fingerprint == rule->fingerprint &&
           old_rule->mode == rule->mode;
  };
  std::erase_if(book.last_action, [&](const auto& entry) { return !is_kept(entry.first); });
  book.taken.clear();
  for (auto& [birth, effects] : book.effects) {
    for (auto& effect : effects) effect.is_forgotten = effect.is_forgotten || !is_kept(effect.rule);
  }
}

/// Checks waits of the blocker itself that no look showed. A wait that passed between two looks that both
/// showed the same session waiting for it is permitted.
void Checks::check_unseen_wait(const Book& book, const Issued& issued, const Rule& rule,
                               const Backend& backend, std::size_t node) const {
  const auto blocking = oracle::blocking_of(rule);
  if (!backend.waited_until || blocking.is_for_waiters) return;
  const auto& server = *site_.nodes[node].server;
  const auto slack = unknowable_steps(book, server, *backend.waited_until) + kRounding;
  if (server.steady_now() + slack >= *backend.waited_until + *blocking.blocks_for) return;
  const auto shown = book.shown_free.find(backend.birth);
  std::size_t passed_between = 0;
  if (shown != book.shown_free.end()) {
    for (const auto& [waiter, since] : shown->second) {
      if (since < *backend.waited_until) ++passed_between;
    }
  }
  if (passed_between >= std::max<std::size_t>(blocking.at_least, 1)) return;
  throw Violation("early", fmt::format("pid {} waited itself until {} ago, and {} asks for {}: {}",
                                       backend.pid, to_text(server.steady_now() - *backend.waited_until),
                                       rule.name, to_text(*blocking.blocks_for), issued.order.decision));
}

/// Checks that a blocker has blocked others, without waiting itself, for as long as its rule requires, as far
/// as looks have shown it.
void Checks::check_blocking(const Book& book, const Issued& issued, const Rule& rule, const Backend& backend,
                            std::size_t node) const {
  const auto blocking = oracle::blocking_of(rule);
  if (!blocking.blocks_for) return;
  check_unseen_wait(book, issued, rule, backend, node);
  const auto seen = book.seen_waiting.find(backend.birth);
  if (seen == book.seen_waiting.end()) return;
  const auto& server = *site_.nodes[node].server;
  const auto slack = unknowable_steps(book, server, seen->second) + kRounding;
  if (server.steady_now() + slack >= seen->second + *blocking.blocks_for) return;
  throw Violation("early", fmt::format("pid {} was seen waiting itself {} ago, and {} asks for {}: {}",
                                       backend.pid, to_text(server.steady_now() - seen->second), rule.name,
                                       to_text(*blocking.blocks_for), issued.order.decision));
}

void Checks::check_circumstances(const Issued& issued, const Rule& rule, const Backend& backend,
                                 std::size_t node) const {
  const auto& server = *site_.nodes[node].server;
  const auto where = fmt::format("{} ({} of {} for pid {})", issued.order.decision,
                                 name_of(issued.order.step), rule.name, backend.pid);
  if (!oracle::open_since(rule.hours, server.shown_now())) {
    throw Violation("hours",
                    fmt::format("{} outside of its hours, at {}", where, to_text(server.shown_now())));
  }
  const auto& when = rule.when;
  if (when.role && server.in_recovery != (*when.role == Role::kStandby)) {
    throw Violation("when", fmt::format("{} on a {}", where, server.in_recovery ? "standby" : "primary"));
  }
  if (!when.connections_used) return;
  const auto& look = *issued.look;
  const auto used = static_cast<double>(look.client_backends);
  if (look.connection_slots > 0 && used >= *when.connections_used * look.connection_slots - 1e-9) return;
  throw Violation("when", fmt::format("{} with {} of {} slots used", where, used, look.connection_slots));
}

/// Checks that enough of the due sessions of its group in the look are left alone.
void Checks::check_keep(const Issued& issued, const Rule& rule, const Backend& backend,
                        std::size_t node) const {
  const auto& look = *issued.look;
  const auto& server = *site_.nodes[node].server;
  const auto sessions = sessions_of(look);
  const oracle::Scene scene{&sessions, look.transactions};
  const auto& victim = sessions.at(backend.pid);
  const auto clock =
      server.shown_now() +
      (site_.was_injected("slow") || site_.was_injected("stall") ? Duration(seconds(65)) : kRounding);
  const auto victims_due = oracle::due(rule, victim, scene);
  // the engine can only order sessions as precisely as it knows their ages
  const bool ages_are_certain = rule.match.ages.size() <= 1 && !oracle::blocking_of(rule).is_asked &&
                                !oracle::blocking_of(rule).is_for_waiters &&
                                !site_.was_injected("clock step") &&
                                !site_.was_injected("small clock step") && victims_due;
  std::size_t all = 0;
  std::size_t left_alone = 0;
  for (const auto& [pid, session] : sessions) {
    if (!is_same_group(rule.selection, session, victim)) continue;
    if (!oracle::untouchable(*issued.policy, session, scene).empty()) continue;
    const auto due = oracle::due(rule, session, scene);
    if (!oracle::applies(rule, session, scene) || !due || due->shown > clock) continue;
    ++all;
    if (pid == victim.pid) continue;
    const bool is_beyond_us =
        session.is_superuser || session.user.empty() || site_.was_injected("lacks_signal");
    const auto age = std::pair(due->start, SessionKey{pid, session.start.shown});
    const auto victims_age =
        victims_due ? std::pair(victims_due->start, SessionKey{victim.pid, victim.start.shown}) : age;
    const bool is_next = rule.selection.victims == Victims::kNewest ? age < victims_age : age > victims_age;
    if (is_beyond_us || is_next || !ages_are_certain) ++left_alone;
  }
  const auto keep = *rule.selection.keep;
  const bool is_enough = rule.selection.victims == Victims::kAll ? all > keep : left_alone >= keep;
  if (is_enough) return;
  throw Violation("keep",
                  fmt::format("{} of {} for pid {}: {} of its group are due, {} of them are left alone, "
                              "and {} are to be ({})",
                              name_of(issued.order.step), rule.name, victim.pid, all, left_alone, keep,
                              name_of(rule.selection.victims)));
}

/// Checks `at_most` and `pause`, counted by the steps that took effect.
void Checks::check_pace(Book& book, const Issued& issued, const Rule& rule, const Backend& backend) {
  // a dry run does not count a signal that the server would deny, and steps that it only supposes are not
  // counted
  if (issued.order.if_still) return;
  if (issued.order.step == StepKind::kAlert || (issued.order.is_beyond_us && !issued.order.is_signal()))
    return;
  const auto where = fmt::format("{} of {} for pid {}", name_of(issued.order.step), rule.name, backend.pid);
  const auto taken = ++book.taken[{issued.look->number, rule.name}];
  if (rule.selection.at_most && taken > *rule.selection.at_most) {
    throw Violation("at-most", fmt::format("{}: the {}. from look {}", where, taken, issued.look->number));
  }
  while (book.taken.size() > 100) book.taken.erase(book.taken.begin());
  const auto now = site_.agenda.now();
  const auto last = book.last_action.find(rule.name);
  if (last != book.last_action.end() && now < last->second + rule.selection.pause) {
    throw Violation("pause", fmt::format("{}: {} after the one before, the pause is {}", where,
                                         to_text(now - last->second), to_text(rule.selection.pause)));
  }
  book.last_action[rule.name] = now;
}

/// How often the rule has acted on sessions like this one within the time of its `repeat`, as far as the
/// instance knew when it gave the order.
std::size_t Checks::actions_like(const Book& book, const Issued& issued, const Rule& rule,
                                 bool is_first_of_episode) const {
  const auto& seen = issued.look->rows.at(issued.order.guard.session);
  const auto value = oracle::value_of(seen, rule.repeat->per);
  if (!value) return 0;
  std::size_t count = 0;
  for (const auto& [birth, effects] : book.effects) {
    for (const auto& effect : effects) {
      if (effect.rule != rule.name || effect.kind == StepKind::kAlert || effect.is_forgotten) continue;
      if (is_first_of_episode && effect.is_denied) continue;
      if (!effect.is_known || effect.repeat_value != value) continue;
      if (effect.known_at > issued.decided_at || effect.known_at + rule.repeat->within <= issued.decided_at)
        continue;
      const bool is_later = std::any_of(effects.begin(), effects.end(), [&](const Effect& other) {
        return other.is_known && other.known_at <= effect.known_at && other.decision != effect.decision &&
               other.serials.contains(effect.episode);
      });
      if (!is_first_of_episode || !is_later) ++count;
    }
  }
  return count;
}

/// `then: pause`: no order for a session for which the rule pauses.
void Checks::check_repeat_pause(const Book& book, const Issued& issued, const Rule& rule) const {
  if (!rule.repeat || rule.repeat->then != RepeatAction::kPause) return;
  const auto actions = actions_like(book, issued, rule, true);
  if (actions < rule.repeat->times) return;
  throw Violation("repeat",
                  fmt::format("{} of {} for pid {}: it pauses for such sessions after {} actions within {}",
                              name_of(issued.order.step), rule.name, issued.order.guard.session.pid, actions,
                              to_text(rule.repeat->within)));
}

}  // namespace pgcurfew::simulation
