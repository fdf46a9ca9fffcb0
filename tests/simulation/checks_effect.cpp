// What must hold at the moment at which a signal takes effect, and what must have happened when the world is
// whole.

#include <algorithm>

#include "simulation/checks.hpp"
#include "simulation/oracle.hpp"

namespace pgcurfew::simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Between our clock's microseconds and the server's.
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

/// The number of the rule's cancel.
std::size_t cancels_by(const Rule& rule) {
  const auto is_cancel = [](const Step& step) { return step.kind == StepKind::kCancel; };
  return static_cast<std::size_t>(std::find_if(rule.escalate.begin(), rule.escalate.end(), is_cancel) -
                                  rule.escalate.begin());
}

/// Within what time a look is sure to come: the limit of a rule's finest age, for what is coarser began
/// before that.
Duration longest_between_looks(const Policy& policy) {
  Duration shortest = std::chrono::hours(1);
  for (const auto& rule : policy.rules) {
    shortest =
        std::min<Duration>(shortest, rule.match.ages.empty() ? seconds(1) : rule.match.ages.front().limit);
  }
  return shortest;
}

}  // namespace

/// What an instance cannot know of the clock of the server that it is at: it has come to it after that, or
/// the replies were longer under way than the step is.
Duration Checks::unknowable_steps(const Book& book, const Server& server, Duration since) const {
  Duration smallest = ServerClockEstimate::kNoticeable;
  if (site_.was_injected("slow")) smallest = Watch::kReplyDeadline;
  if (site_.was_injected("stall")) smallest = seconds(65);
  return server.unknowable_steps_since(since, book.clock_known_since, smallest, book.looked);
}

const Rule& Checks::rule_of(const Issued& issued) const {
  const auto& rules = issued.policy->rules;
  return *std::find_if(rules.begin(), rules.end(),
                       [&](const Rule& rule) { return rule.name == issued.order.rule; });
}

void Checks::on_executed(int instance, std::size_t node, const Order& order, const GuardVerdict& verdict,
                         const Backend* backend) {
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
    first_orders_.push_back(fmt::format("pid {} {} step {} not before {}", backend->pid, order.rule,
                                        order.step_number, to_text(order.guard.not_before)));
  }
  const auto& rule = rule_of(issued);
  check_session(issued, *backend, node);
  check_age(book, issued, rule, *backend, node);
  if (issued.life == book.life) check_ladder(book, issued, rule, *backend, node);
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
  effect.rule = order.rule;
  effect.serials = serials_of(backend);
  effect.decision = order.decision;
  for (const auto& rule : issued.policy->rules) {
    const auto due = oracle::due(rule, backend);
    if (rule.name == order.rule || order.step == StepKind::kAlert || rule.mode != order.mode) continue;
    if (!due || !oracle::applies(rule, backend)) continue;
    const auto slack = unknowable_steps(book, server, due->oldest) + kRounding;
    for (std::size_t step = 0; step < rule.escalate.size(); ++step) {
      const auto kind = rule.escalate[step].kind;
      if (kind == StepKind::kAlert || kind > order.step) continue;
      if (may_take_step(book, rule, backend, step, effect.steady, slack)) effect.steps_done[rule.name] = step;
    }
  }
  effect.steps_done[order.rule] = order.step_number;
  book.effects[backend.birth].push_back(std::move(effect));
}

void Checks::check_session(const Issued& issued, const Backend& backend, std::size_t node) const {
  const auto& seen = issued.look->rows.at(issued.order.guard.session);
  const auto who = name_of_session(backend);
  if (issued.look->node != node || seen.birth != backend.birth) {
    throw Violation("identity", fmt::format("{} is not the session that was decided upon", who));
  }
  const auto reason = oracle::untouchable(*issued.policy, backend);
  if (!reason.empty()) throw Violation(std::string(reason), who);
  const auto& rule = rule_of(issued);
  if (!oracle::fits(rule.match, backend)) {
    throw Violation("no-match", fmt::format("{} does not fit rule {}", who, rule.name));
  }
  if (!oracle::applies(rule, backend)) {
    throw Violation("exempt", fmt::format("{} is an exception of rule {}", who, rule.name));
  }
  if (oracle::episode(rule, seen) != oracle::episode(rule, backend)) {
    throw Violation("episode", fmt::format("{} has moved on since the look", who));
  }
}

void Checks::check_age(const Book& book, const Issued& issued, const Rule& rule, const Backend& backend,
                       std::size_t node) const {
  const auto& server = *site_.nodes[node].server;
  const auto due = oracle::due(rule, backend);
  const auto who =
      fmt::format("{} under {} {}", name_of_session(backend), rule.name, name_of(issued.order.step));
  if (!due) throw Violation("no-match", who + " has no such age");
  if (server.shown_now() < due->shown) {
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
  const auto due = oracle::due(rule, backend);
  const auto slack = unknowable_steps(book, server, due->oldest) + kRounding;
  const auto step = issued.order.step_number;
  if (may_take_step(book, rule, backend, step, server.steady_now(), slack)) return;
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

/// Whether a step may take effect at a moment: the one before it did, in the same episode, and its wait is
/// over. A cancel that cannot affect the session is passed over, and with it the time at which it was due
/// counts.
bool Checks::may_take_step(const Book& book, const Rule& rule, const Backend& backend, std::size_t step,
                           Duration steady, Duration slack) const {
  const auto after = rule.escalate[step].after;
  if (step == 0) return steady + slack >= oracle::due(rule, backend)->steady + after;
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
  return is_skipped && may_take_step(book, rule, backend, step - 1, steady - after, slack);
}

void Checks::expect_order(Duration ready) {
  const auto& book = books_.at(0);
  if (book.connected_since == 0) {
    throw Violation("reconnect", fmt::format("no connection {} after the world is whole",
                                             to_text(site_.agenda.now() - ready)));
  }
  if (site_.was_injected("tight") || site_.agenda.now() < held_back_until_) return;
  for (const auto& [pid, backend] : site_.server().backends()) {
    if (backend.is_superuser || backend.user.empty() || backend.is_doomed) continue;
    if (!oracle::untouchable(*book.policy, backend).empty()) continue;
    for (const auto& rule : book.policy->rules) {
      if (rule.mode == Mode::kEnforce) check_lateness(book, rule, backend, site_.active, ready);
    }
  }
}

void Checks::check_lateness(const Book& book, const Rule& rule, const Backend& backend, std::size_t node,
                            Duration ready) const {
  const auto due = oracle::due(rule, backend);
  if (!due || !oracle::applies(rule, backend)) return;
  const auto& server = *site_.nodes[node].server;
  // by a clock that was set since, it is as old as that clock says
  if (due->oldest < server.last_step()) return;
  // and a time that was twice is taken for the first, rather late than early
  if (due->oldest_shown <= server.highest_at_step()) return;
  Duration waits{};
  std::optional<StepKind> strongest;
  for (const auto& step : rule.escalate) {
    waits += step.after;
    if (step.kind != StepKind::kAlert) strongest = step.kind;
  }
  if (!strongest) return;
  // one look that had to see it as it is now, and for each step a reply and a look at what became of it
  const auto look = std::max<Duration>(longest_between_looks(*book.policy), seconds(1));
  const auto room = look + seconds(3) * static_cast<std::int64_t>(rule.escalate.size());
  const auto since = std::max(ready, backend.facts_changed);
  const auto overdue =
      std::min(server.steady_now() - due->steady - waits, site_.agenda.now() - since - waits);
  if (overdue < room) return;
  if (*strongest == StepKind::kCancel) {
    if (!oracle::can_be_cancelled(backend)) return;
    // or it was passed over while there was nothing to cancel, and a later step was taken
    const auto effects = book.effects.find(backend.birth);
    if (effects != book.effects.end()) {
      for (const auto& effect : effects->second) {
        const bool counts = effect.mode == rule.mode && effect.steps_done.contains(rule.name) &&
                            cancels_by(rule) <= effect.steps_done.at(rule.name);
        if (counts && effect.serials.contains(oracle::episode(rule, backend))) return;
      }
    }
  }
  throw Violation("late",
                  fmt::format("{} under {}: {} of the last step is {} overdue", name_of_session(backend),
                              rule.name, name_of(*strongest), to_text(overdue)));
}

}  // namespace pgcurfew::simulation
