#include "simulation/checks.hpp"

#include <algorithm>

#include "engine/narrate.hpp"
#include "events/catalogue.hpp"
#include "simulation/drain_checks.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// The maximum wait for a reply.
constexpr Duration kReplyTakes = seconds(5);

const Rule* find_rule(const Policy& policy, const std::string& name) {
  for (const auto& rule : policy.rules) {
    if (rule.name == name) return &rule;
  }
  return nullptr;
}

/// The parts of an order that make up a decision: the session, the rule or drain, the action, the clock, and
/// the earliest time.
std::string decision_of(int instance, const Order& order) {
  const auto& guard = order.guard;
  return fmt::format(
      "{} {} {} of {}{} step {} of {}: pid {} begun {}, since {}, not before {}, limit {}, grace {}",
      instance, name_of(order.mode), name_of(order.step), order.rule, order.drain, order.step_number,
      order.step_count, guard.session.pid, guard.session.backend_start.time_since_epoch().count(),
      order.clock_start.time_since_epoch().count(), guard.not_before.time_since_epoch().count(),
      order.limit.count(), order.grace.count());
}

}  // namespace

void Checks::on_started(int instance, std::shared_ptr<const Policy> policy) {
  auto& book = books_[instance];
  const auto life = book.life + 1;
  // requests sent in an earlier life may still take effect
  auto issued = std::move(book.issued);
  book = Book();
  book.issued = std::move(issued);
  book.life = life;
  book.policy = std::move(policy);
  book.policy_since = ++moment_;
  if (drains_ != nullptr) drains_->on_started(instance);
  if (drains_ != nullptr) drains_->on_policy(instance, book.policy);
}

void Checks::on_gone(int instance) {
  on_disconnected(instance);
  if (drains_ != nullptr) drains_->on_gone(instance);
}

void Checks::on_policy(int instance, std::shared_ptr<const Policy> policy) {
  auto& book = books_[instance];
  forget_rules(book, *policy);
  // signals that no longer counted by a shorter time do not count again by a longer one
  let_go(book);
  book.policy = std::move(policy);
  book.policy_since = ++moment_;
  if (drains_ != nullptr) drains_->on_policy(instance, book.policy);
}

void Checks::on_connected(int instance, ServerTime postmaster_start) {
  auto& book = books_[instance];
  if (drains_ != nullptr) drains_->on_connected(instance);
  if (book.postmaster_start != postmaster_start) {
    book.knows_clock = false;
    book.seen_waiting.clear();
  }
  book.postmaster_start = postmaster_start;
  book.connected_since = ++moment_;
  book.reasons.push_back(site_.agenda.now());
}

void Checks::on_disconnected(int instance) {
  auto& book = books_[instance];
  book.connected_since = 0;
  book.shown_free.clear();
  book.look.reset();
  book.reasons.push_back(site_.agenda.now());
}

void Checks::on_look_asked(int instance, std::uint64_t number) {
  auto& book = books_[instance];
  book.look_asked[number] = ++moment_;
  if (book.look_asked.size() > 20) book.look_asked.erase(book.look_asked.begin());
  ++tally_.looks;
}

void Checks::on_look(int instance, std::shared_ptr<const LookCopy> copy) {
  auto& book = books_[instance];
  if (drains_ != nullptr) drains_->on_look(instance, *copy);
  book.look = std::move(copy);
  book.has_just_looked = true;
  if (book.look_asked[book.look->number] > book.policy_since) note_waits(book, *book.look);
  book.looked.push_back(book.look->executed);
  if (book.looked.size() > 20000) book.looked.pop_front();
  if (std::exchange(book.knows_clock, true)) return;
  book.clock_known_since = site_.nodes[book.look->node].server->steady_now();
}

void Checks::on_reply(int instance, const std::string& decision, ReplyKind kind) {
  auto& book = books_[instance];
  book.reasons.push_back(site_.agenda.now());
  const auto found = book.issued.find(decision);
  if (found == book.issued.end()) return;
  found->second.replied = kind;
  const auto& order = found->second.order;
  const bool is_rehearsal = !order.is_signal() && order.step != StepKind::kAlert && !order.is_beyond_us;
  if (is_rehearsal && kind == ReplyKind::kSignalled) ++book.signals_of[episode_of(order)].rehearsed;
  if (order.is_signal()) {
    auto& sent = book.signals_of[episode_of(order)];
    if (kind == ReplyKind::kSignalled) ++sent.signalled;
    if (kind != ReplyKind::kSignalled && kind != ReplyKind::kUnknown) ++sent.refused;
  }
  if (kind != ReplyKind::kSignalled && kind != ReplyKind::kUnknown && kind != ReplyKind::kFailed) {
    std::erase_if(book.signals, [&](const auto& signal) { return signal.first == decision; });
  }
  const auto key = found->second.order.guard.session;
  if (kind == ReplyKind::kMovedOn) ++book.spares[key];
  if (kind == ReplyKind::kSignalled) book.spares.erase(key);
  if (kind == ReplyKind::kEarly || kind == ReplyKind::kShifted)
    book.last_signal.erase(key);  // the session was not signalled
  for (auto& [birth, effects] : book.effects) {
    for (auto& effect : effects) {
      if (effect.is_known || effect.decision != decision) continue;
      effect.is_known = true;
      effect.known_at = site_.agenda.now();
    }
  }
}

void Checks::on_turn(int instance, bool is_tick) {
  ++tally_.turns;
  if (!is_tick) return;
  constexpr Duration kWindow = seconds(10);
  auto& book = books_[instance];
  const auto now = site_.agenda.now();
  const auto forget = [&](std::deque<Duration>& times) {
    while (!times.empty() && times.front() < now - kWindow) times.pop_front();
  };
  book.ticks.push_back(now);
  forget(book.ticks);
  forget(book.reasons);
  // looks at their shortest interval, and a few wake-ups for each input
  const auto bound = 700 + 6 * book.reasons.size();
  if (book.ticks.size() > bound) {
    throw Violation("busy-loop", fmt::format("instance {} woke {} times within {}", instance,
                                             book.ticks.size(), to_text(kWindow)));
  }
}

void Checks::on_orders(int instance, const std::vector<Order>& orders) {
  auto& book = books_[instance];
  for (const auto& order : orders) site_.trace.decided(decision_of(instance, order));
  ++moment_;
  check_bounds(book, orders);
  for (const auto& order : orders) {
    ++tally_.orders;
    book.reasons.push_back(site_.agenda.now());
    const auto basis = check_intent(book, order.decision, order.is_signal());
    check_one_order(book, order, basis);
    if (order.step != StepKind::kAlert && !order.if_still && book.signals_of[episode_of(order)].rehearsed > 0)
      throw Violation("dry-run", name_of_order(order) + " counts, after one that would have had its effect");
    if (order.drain.empty()) {
      check_rules_order(book, order);
    } else {
      drains_->on_order(instance, order, basis.look);
    }
    if (order.is_signal()) {
      book.last_signal[order.guard.session] = moment_;
      ++book.signals_of[episode_of(order)].ordered;
      book.ordered_for[order.guard.session].insert(episode_of(order));
    }
    Issued issued;
    issued.order = order;
    issued.decided_at = basis.at;
    issued.at = site_.agenda.now();
    issued.look = basis.look;
    issued.policy = basis.policy;
    issued.life = book.life;
    if (order.drain.empty()) check_repeat_pause(book, issued, rule_of(issued));
    book.issued[order.decision] = std::move(issued);
    site_.trace.note("send", order.guard.session.pid, [&] {
      return fmt::format("instance {} {} {} {} of {} pid {}", instance, order.decision, name_of(order.mode),
                         name_of(order.step), order.rule + order.drain, order.guard.session.pid);
    });
  }
  std::erase_if(book.issued,
                [&](const auto& entry) { return entry.second.at < site_.agenda.now() - minutes(10); });
}

void Checks::on_gates_read(int instance) {
  if (drains_ != nullptr) drains_->on_gates_read(instance);
}

void Checks::on_turn_asked(int instance, const GateOrder& order) {
  if (order.closes) check_intent(books_[instance], order.id, true);
  books_[instance].reasons.push_back(site_.agenda.now());
  site_.trace.decided(fmt::format("{} {} {} of {}", instance, order.closes ? "close" : "open", order.database,
                                  order.mark.drain));
  if (drains_ != nullptr) drains_->on_turn_asked(instance, order);
}

void Checks::on_gate_turned(int instance, std::size_t node, const GateOrder& order, const GateReply& reply) {
  if (drains_ != nullptr) drains_->on_turned(instance, node, order, reply);
}

void Checks::on_pgbouncer_seen(int instance, const std::string& database, Duration at) {
  if (drains_ != nullptr) drains_->on_pgbouncer_seen(instance, database, at);
}

std::string Checks::name_of_order(const Order& order) {
  return fmt::format("{} ({} of {} for pid {})", order.decision, name_of(order.step),
                     order.rule + order.drain, order.guard.session.pid);
}

void Checks::check_rules_order(const Book& book, const Order& order) {
  const auto where = name_of_order(order);
  const auto* rule = find_rule(*book.policy, order.rule);
  const bool can_hasten = rule != nullptr && rule->repeat && rule->repeat->then == RepeatAction::kTerminate &&
                          order.step == StepKind::kTerminate;
  if (rule == nullptr || order.step_number >= rule->escalate.size() ||
      (rule->escalate[order.step_number].kind != order.step && !can_hasten)) {
    throw Violation("replaced-policy", where + " is of no rule in force");
  }
  if (order.is_signal() && (rule->mode == Mode::kDryRun || book.policy->mode == Mode::kDryRun)) {
    throw Violation("dry-run", where + " is a signal of a rule in dry-run");
  }
  if (!order.is_signal() && rule->mode == Mode::kEnforce && order.step != StepKind::kAlert) {
    throw Violation("dry-run", where + " is no signal though its rule enforces");
  }
}

/// The laws for an order, whichever rule or drain claims the session.
void Checks::check_one_order(Book& book, const Order& order, const Basis& basis) {
  const auto where = name_of_order(order);
  if (book.connected_since == 0) throw Violation("stale-look", where + " without a connection");
  if (!basis.look) throw Violation("stale-look", where + " without a look of this connection");
  const auto asked = book.look_asked.find(basis.look->number);
  if (asked == book.look_asked.end() || asked->second < book.connected_since) {
    throw Violation("stale-look", where + " from a look of an earlier connection");
  }
  if (asked->second < book.policy_since) {
    throw Violation("replaced-policy", where + " from a look that an earlier policy asked for");
  }
  const auto last = book.last_signal.find(order.guard.session);
  if (order.is_signal() && last != book.last_signal.end() && last->second > asked->second) {
    throw Violation("two-signals", where + " without a look since the signal before it");
  }
  if (!basis.look->rows.contains(order.guard.session)) {
    throw Violation("stale-look", where + " for a session that its look does not show");
  }
  if (!book.intents.erase(order.decision)) throw Violation("untold", where + " without an intent before it");
}

/// Removes signals that the bound of the policy in force no longer counts.
void Checks::let_go(Book& book) const {
  const auto since = site_.agenda.now() - book.policy->safety.per;
  while (!book.signals.empty() && book.signals.front().second <= since) book.signals.pop_front();
}

void Checks::check_bounds(Book& book, const std::vector<Order>& orders) {
  const auto& safety = book.policy->safety;
  const auto now = site_.agenda.now();
  std::size_t signals = 0;
  for (const auto& order : orders) {
    if (!order.is_signal() || !order.drain.empty()) continue;
    ++signals;
    book.signals.emplace_back(order.decision, now);
  }
  if (signals == 0) return;
  let_go(book);
  if (book.signals.size() > static_cast<std::size_t>(safety.signals)) {
    throw Violation("too-many", fmt::format("{} signals within {}, the bound is {}", book.signals.size(),
                                            to_text(safety.per), safety.signals));
  }
  const auto clients = book.look ? book.look->client_backends : 0;
  const auto share = static_cast<std::size_t>(safety.share * static_cast<double>(clients));
  if (signals > std::max<std::size_t>(6, share)) {
    throw Violation("too-many", fmt::format("{} signals at once to {} clients", signals, clients));
  }
}

void Checks::on_told(int instance, const Event& event) {
  auto& book = books_[instance];
  if (const auto fault = fault_of(event); !fault.empty()) throw Violation("event", fault);
  if (event.id.empty() || event.server.empty()) throw Violation("event", "one without an id or a server");
  if (event.kind == Kind::kIntentLate) return check_late(book, event);
  if (drains_ != nullptr && drains_->takes(event)) return drains_->on_told(instance, event);
  if (event.level == Level::kError) check_error(book, event);
  const auto decision = field_of<std::string>(event, "decision").value_or("");
  if (event.kind == Kind::kIntent) book.intents.insert(decision);
  note_end(book, event);
  if (event.kind == Kind::kVerified) check_claim(book, event);
  if (event.kind == Kind::kBreakerClosed) {
    // sessions that have become due meanwhile follow in their turn
    book.held_back[held_back_by(event)] = site_.agenda.now() + 3 * book.policy->safety.quiet;
  }
  if (event.kind == Kind::kPreparedTransaction) {
    const auto gid = field_of<std::string>(event, "gid").value_or("");
    if (!book.look || !book.look->prepared.contains(gid)) {
      throw Violation("false-claim", "nobody waits for " + gid + ": " + event.message);
    }
  }
  if (event.kind != Kind::kOutcome) return;
  if (field_of<std::string>(event, "outcome") == "not_sent") {
    book.taken_back_now.insert(field_of<std::string>(event, "episode").value_or(""));
  }
  const auto found = book.issued.find(decision);
  if (found == book.issued.end()) return;
  auto& issued = found->second;
  if (issued.is_told) throw Violation("untold", decision + " has two outcomes");
  issued.is_told = true;
  const auto told = field_of<std::string>(event, "outcome").value_or("");
  auto is = outcome_of(issued.order, issued.replied.value_or(ReplyKind::kUnknown));
  // in a dry run, a signal that the server would deny is reported as denied
  const bool is_beyond_us = issued.order.is_beyond_us && !issued.order.is_signal();
  if (is_beyond_us && issued.replied == ReplyKind::kSignalled && told == "denied") is = told;
  if (told != is) {
    throw Violation("unknown-is-not-success",
                    fmt::format("{} is told as {}, and was {}", decision, told, is));
  }
}

/// The number of sessions that were past a limit of a rule in the breaker's mode at the last look. A row does
/// not show waits between sessions, so rules on them count for all sessions.
std::int64_t Checks::overdue_in_look(const Book& book, const HeldBack& held) const {
  if (!book.look) return 0;
  const auto& server = *site_.nodes[book.look->node].server;
  const auto scene = scene_of(book.look->node);
  const auto is_overdue = [&](const auto& entry) {
    const auto& row = entry.second;
    if (!held.is_for(row.user)) return false;
    return std::any_of(book.policy->rules.begin(), book.policy->rules.end(), [&](const Rule& rule) {
      if (rule.mode != held.mode) return false;
      const auto blocking = oracle::blocking_of(rule);
      if (blocking.is_asked || blocking.is_for_waiters) return true;
      const auto due = oracle::due(rule, row, scene);
      const auto slack =
          due ? unknowable_steps(book, server, due->oldest) + std::chrono::milliseconds(1) : Duration(0);
      return due && due->steady <= book.look->steady + slack;
    });
  };
  return std::count_if(book.look->rows.begin(), book.look->rows.end(), is_overdue);
}

Checks::HeldBack Checks::held_back_by(const Event& event) {
  const auto mode =
      field_of<std::string>(event, "mode") == name_of(Mode::kEnforce) ? Mode::kEnforce : Mode::kDryRun;
  return {mode, field_of<std::string>(event, "scope") == "tenant", field_of<std::string>(event, "user")};
}

/// A breaker opens only for a reason, and a tenant's only for sessions of its role.
void Checks::check_breaker(Book& book, const Event& event) {
  const auto held = held_back_by(event);
  // the share also counts recent signals, and the rate those within its time; both count from the reply,
  // which can take as long as kReplyTakes
  const auto since =
      site_.agenda.now() - kReplyTakes - std::max<Duration>(seconds(10), book.policy->safety.per);
  const auto may_have_left = [&](const auto& entry) {
    const auto& [decision, issued] = entry;
    const auto reply = issued.replied.value_or(ReplyKind::kUnknown);
    return issued.at >= since && issued.order.mode == held.mode && issued.order.drain.empty() &&
           held.is_for(issued.order.user) && (reply == ReplyKind::kSignalled || reply == ReplyKind::kUnknown);
  };
  const auto lately = std::count_if(book.issued.begin(), book.issued.end(), may_have_left);
  const auto due = overdue_in_look(book, held);
  // the book keeps orders for ten minutes
  const auto of_tenant = book.policy->safety.signals - std::max(1, book.policy->safety.signals / 4);
  const bool is_used_up = lately >= std::min(5, of_tenant) || book.policy->safety.per > minutes(9);
  if (lately + due <= 5 && !is_used_up) {
    throw Violation("error-event",
                    fmt::format("{} sent and {} due are no reason: {}", lately, due, event.message));
  }
  book.held_back[held] = Duration::max();
}

void Checks::check_error(Book& book, const Event& event) {
  if (event.kind == Kind::kBreakerOpen) return check_breaker(book, event);
  static const std::map<Kind, std::vector<std::string>> kCauses{
      {Kind::kServerDown,
       {"refused", "connect_hangs", "cut", "mute", "slow", "restart", "failover", "exhausted", "stall",
        "catalog"}},
      {Kind::kLookFailed, {"truncated"}},
      {Kind::kClockJump, {"clock step", "small clock step"}},
      {Kind::kBlind, {"lacks_read_all_stats"}},
      {Kind::kPrivilegeMissing, {"lacks_read_all_stats", "lacks_signal"}},
  };
  const auto causes = kCauses.find(event.kind);
  const bool has_cause = causes != kCauses.end() &&
                         std::any_of(causes->second.begin(), causes->second.end(),
                                     [&](const std::string& cause) { return site_.was_injected(cause); });
  if (!has_cause) throw Violation("error-event", "an error without a fault: " + event.message);
  if (site_.ready_since) {
    throw Violation("error-event", "an error in a world that is whole: " + event.message);
  }
}

void Checks::check_claim(const Book& book, const Event& event) const {
  const auto effect = field_of<std::string>(event, "effect").value_or("");
  const auto found = book.issued.find(field_of<std::string>(event, "decision").value_or(""));
  if (found == book.issued.end() || !book.look) return;
  const auto& issued = found->second;
  const auto key = issued.order.guard.session;
  const auto row = book.look->rows.find(key);
  const auto claim = fmt::format("pid {}: {}", key.pid, effect);
  if (effect == "ended" && row != book.look->rows.end()) {
    throw Violation("false-claim", claim + ", and it is there");
  }
  if (effect != "query_ended" && effect != "still_there") return;
  if (row == book.look->rows.end()) throw Violation("false-claim", claim + ", and it is gone");
  const auto& before = issued.look->rows.at(key);
  const auto& is = row->second;
  const bool same_query = is.query_start && before.query_start && is.state == State::kActive &&
                          is.query_start->serial == before.query_start->serial;
  const bool same_state = is.state_change && before.state_change && is.xact_start && before.xact_start &&
                          is.state_change->serial == before.state_change->serial &&
                          is.xact_start->serial == before.xact_start->serial;
  if (effect == "query_ended" && same_query && same_state) {
    throw Violation("false-claim", claim + ", and it runs on");
  }
}

void Checks::on_settled(int instance, const Watch& watch) {
  auto& book = books_[instance];
  if (drains_ != nullptr) drains_->on_settled();
  check_open(book, watch, std::exchange(book.has_just_looked, false));
  book.ended_now.clear();
  book.taken_back_now.clear();
  const auto rules = book.policy->rules.size();
  const auto rows = book.look ? book.look->rows.size() : 0;
  const auto bound = (rows + 60) * (rules + book.policy->drains.size());
  const auto& ledger = watch.ledger();
  if (ledger.episodes.size() > bound || ledger.touched.size() > rows + 60 ||
      ledger.denied.size() > rows + 60) {
    throw Violation("memory",
                    fmt::format("{} episodes, {} touched, {} denied for {} rows", ledger.episodes.size(),
                                ledger.touched.size(), ledger.denied.size(), rows));
  }
}

}  // namespace pgcurfew::simulation
