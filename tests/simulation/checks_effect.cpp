// The laws at the time when a signal takes effect.

#include <algorithm>

#include "simulation/checks.hpp"
#include "simulation/drain_checks.hpp"
#include "simulation/oracle.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// The tolerance between our clock and the server's.
constexpr Duration kRounding = milliseconds(1);

std::set<std::uint64_t> serials_of(const Backend& backend) {
  std::set<std::uint64_t> serials{backend.start.serial};
  for (const auto& stamp : {backend.xact_start, backend.query_start, backend.state_change}) {
    if (stamp) serials.insert(stamp->serial);
  }
  return serials;
}

std::string name_of_session(const Backend& backend) {
  return fmt::format("pid {} ({} user={} app={} db={} state={})", backend.pid, backend.backend_type,
                     backend.user, backend.application_name, backend.database,
                     backend.state ? name_of(*backend.state) : "NULL");
}

}  // namespace

/// Steps of the server's clock that an instance cannot know: it connected later, or replies took longer than
/// the step.
Duration Checks::unknowable_steps(const Book& book, const Server& server, Duration since) const {
  Duration smallest = ServerClockEstimate::kNoticeable + 2 * kLongestTravel;
  if (site_.was_injected("slow")) smallest = Watch::kReplyDeadline;
  if (site_.was_injected("stall")) smallest = seconds(65);
  return server.unknowable_steps_since(since, book.clock_known_since, smallest, book.looked);
}

oracle::Scene Checks::scene_of(std::size_t node) const {
  const auto& server = *site_.nodes[node].server;
  return {&server.backends(), server.transactions()};
}

const Rule& Checks::rule_of(const Issued& issued) const {
  const auto& rules = issued.policy->rules;
  return *std::find_if(rules.begin(), rules.end(),
                       [&](const Rule& rule) { return rule.name == issued.order.rule; });
}

void Checks::on_executed(int instance, std::size_t node, const Order& order, const GuardVerdict& verdict,
                         const Backend* backend) {
  if (drains_ != nullptr && !order.drain.empty()) {
    if (verdict.acted && order.is_signal()) ++tally_.signals;
    if (!verdict.acted) ++tally_.spared;
    if (verdict.acted) drains_->on_effect(node, order, *backend);
    auto& book = books_[instance];
    const auto issued = book.issued.find(order.decision);
    if (verdict.acted && issued != book.issued.end() && issued->second.life == book.life)
      enter_effect(book, issued->second, *backend, node);
    return;
  }
  auto& book = books_[instance];
  if (verdict.kind == ReplyKind::kDenied && !first_effect_) first_effect_ = site_.agenda.now();
  if (!verdict.acted) {
    ++tally_.spared;
    return;
  }
  const auto found = book.issued.find(order.decision);
  if (found == book.issued.end()) throw Violation("stale-look", order.decision + " takes effect long after");
  const auto& issued = found->second;
  if (!first_effect_) {
    first_orders_.push_back({order.guard.not_before,
                             fmt::format("pid {} {} step {}", backend->pid, order.rule, order.step_number)});
  }
  const auto& rule = rule_of(issued);
  check_session(book, issued, *backend, node);
  check_circumstances(issued, rule, *backend, node);
  check_age(book, issued, rule, *backend, node);
  if (rule.selection.keep) check_keep(issued, rule, *backend, node);
  if (issued.life == book.life) {
    check_blocking(book, issued, rule, *backend, node);
    check_ladder(book, issued, rule, *backend, node);
    check_pace(book, issued, rule, *backend);
  }
  count_parts(rule, rule.escalate[order.step_number].kind != order.step);
  if (order.is_signal()) {
    ++tally_.signals;
    if (!first_effect_) first_effect_ = issued.at;
  }
  if (rule.mode == Mode::kDryRun && order.is_signal()) throw Violation("dry-run", "a signal of a dry run");
  if (issued.life != book.life) return;
  enter_effect(book, issued, *backend, node);
}

void Checks::enter_effect(Book& book, const Issued& issued, const Backend& backend, std::size_t node) {
  const auto& server = *site_.nodes[node].server;
  const auto& order = issued.order;
  Effect effect;
  effect.steady = server.steady_now();
  effect.kind = order.step;
  effect.mode = order.mode;
  effect.rule = order.rule;  // empty for a drain
  effect.serials = serials_of(backend);
  effect.decision = order.decision;
  effect.is_denied = order.is_beyond_us && !order.is_signal();
  const auto* own = order.drain.empty() ? &rule_of(issued) : nullptr;
  if (own != nullptr) effect.episode = oracle::episode(*own, backend);
  const auto repeat = own != nullptr ? own->repeat : std::nullopt;
  // as the look showed it, because the value may be gone with the statement
  if (repeat) effect.repeat_value = oracle::value_of(issued.look->rows.at(order.guard.session), repeat->per);
  const auto scene = scene_of(node);
  for (const auto& rule : issued.policy->rules) {
    const auto due = oracle::due(rule, backend, scene);
    if (rule.name == order.rule || order.step == StepKind::kAlert || rule.mode != order.mode) continue;
    if (!due || !oracle::applies(rule, backend, scene)) continue;
    const auto slack = unknowable_steps(book, server, due->oldest) + kRounding;
    for (std::size_t step = 0; step < rule.escalate.size(); ++step) {
      const auto kind = rule.escalate[step].kind;
      if (kind == StepKind::kAlert || kind > order.step) continue;
      if (may_take_step(book, rule, backend, scene, step, effect.steady, slack))
        effect.steps_done[rule.name] = step;
    }
  }
  if (own != nullptr) effect.steps_done[order.rule] = order.step_number;
  book.effects[backend.birth].push_back(std::move(effect));
}

void Checks::check_session(const Book& book, const Issued& issued, const Backend& hit,
                           std::size_t node) const {
  const auto& seen = issued.look->rows.at(issued.order.guard.session);
  const auto who = name_of_session(hit);
  auto backend = hit;
  // if a session changes its name each time that it is read, its changes are ignored after kSparesBelieved of
  // them
  const auto spares = book.spares.find(issued.order.guard.session);
  if (hit.habit == Habit::kRenaming && spares != book.spares.end() && spares->second >= kSparesBelieved) {
    backend.application_name = seen.application_name;
  }
  if (issued.look->node != node || seen.birth != backend.birth) {
    throw Violation("identity", fmt::format("{} is not the session that was decided upon", who));
  }
  const auto scene = scene_of(node);
  const auto reason = oracle::untouchable(*issued.policy, backend, scene);
  if (!reason.empty()) throw Violation(std::string(reason), who);
  const auto& rule = rule_of(issued);
  const auto blocking = oracle::blocking_of(rule);
  if (blocking.is_asked && !blocking.is_for_waiters && backend.lock_wait) {
    throw Violation("waiter", fmt::format("{} waits itself, and rule {} is for blockers", who, rule.name));
  }
  if (!oracle::fits(rule.match, backend, scene)) {
    throw Violation("no-match", fmt::format("{} does not fit rule {}", who, rule.name));
  }
  if (!oracle::applies(rule, backend, scene)) {
    throw Violation("exempt", fmt::format("{} is an exception of rule {}", who, rule.name));
  }
  if (oracle::episode(rule, seen) != oracle::episode(rule, backend)) {
    throw Violation("episode", fmt::format("{} has moved on since the look", who));
  }
}

void Checks::check_age(const Book& book, const Issued& issued, const Rule& rule, const Backend& backend,
                       std::size_t node) const {
  const auto& server = *site_.nodes[node].server;
  const auto due = oracle::due(rule, backend, scene_of(node));
  const auto who =
      fmt::format("{} under {} {}", name_of_session(backend), rule.name, name_of(issued.order.step));
  if (!due) throw Violation("no-match", who + " has no such age");
  // before PostgreSQL 14 a wait counts from a look, not from its beginning by the clock
  const auto blocking = oracle::blocking_of(rule);
  const bool is_of_looks = !server.shows_waitstart && (blocking.is_asked || blocking.is_for_waiters);
  if (server.shown_now() < due->shown && !is_of_looks) {
    throw Violation("early", fmt::format("{}: {} too early by the server's clock", who,
                                         to_text(due->shown - server.shown_now())));
  }
  const auto slack = unknowable_steps(book, server, due->oldest) + kRounding;
  if (server.steady_now() + slack < due->steady) {
    throw Violation("early", fmt::format("{}: {} too early in truth: the server's clock was set forward", who,
                                         to_text(due->steady - server.steady_now())));
  }
}

void Checks::check_ladder(const Book& book, const Issued& issued, const Rule& rule, const Backend& backend,
                          std::size_t node) const {
  const auto& server = *site_.nodes[node].server;
  const auto scene = scene_of(node);
  const auto due = oracle::due(rule, backend, scene);
  const auto slack = unknowable_steps(book, server, due->oldest) + kRounding;
  const auto step = issued.order.step_number;
  // a session that `repeat` applies to is terminated at once
  const bool is_hastened = rule.repeat && rule.repeat->then == RepeatAction::kTerminate &&
                           issued.order.step == StepKind::kTerminate &&
                           actions_like(book, issued, rule, false) >= rule.repeat->times;
  if (is_hastened) return;
  const bool is_of_ladder = rule.escalate[step].kind == issued.order.step;
  if (is_of_ladder && may_take_step(book, rule, backend, scene, step, server.steady_now(), slack)) return;
  const auto effects = book.effects.find(backend.birth);
  std::string done;
  if (effects != book.effects.end()) {
    for (const auto& effect : effects->second) {
      done += fmt::format(" {} of {} {} ago{};", name_of(effect.kind), effect.rule,
                          to_text(server.steady_now() - effect.steady), effect.is_known ? "" : " (unknown)");
    }
  }
  throw Violation("ladder",
                  fmt::format("{}: step {} ({}) of {} without the steps and waits before it; done:{}",
                              name_of_session(backend), step, name_of(issued.order.step), rule.name,
                              done.empty() ? " nothing" : done));
}

/// Whether a step may take effect at time `steady`: the previous step took effect in the same episode, and
/// the wait is over. A cancel that cannot affect the session is skipped; the next wait then counts from the
/// time at which it was due.
bool Checks::may_take_step(const Book& book, const Rule& rule, const Backend& backend,
                           const oracle::Scene& scene, std::size_t step, Duration steady,
                           Duration slack) const {
  const auto after = rule.escalate[step].after;
  if (step == 0) return steady + slack >= oracle::due(rule, backend, scene)->steady + after;
  const auto effects = book.effects.find(backend.birth);
  if (effects != book.effects.end()) {
    for (const auto& effect : effects->second) {
      const auto done = effect.steps_done.find(rule.name);
      if (!effect.is_known || effect.mode != rule.mode || done == effect.steps_done.end()) continue;
      if (!effect.serials.contains(oracle::episode(rule, backend)) || done->second + 1 < step) continue;
      if (steady - effect.steady + slack >= after) return true;
    }
  }
  const bool is_skipped =
      rule.escalate[step - 1].kind == StepKind::kCancel && !oracle::can_be_cancelled(backend);
  return is_skipped && may_take_step(book, rule, backend, scene, step - 1, steady - after, slack);
}

}  // namespace pgcurfew::simulation
