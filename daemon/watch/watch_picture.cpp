#include <algorithm>
#include <tuple>
#include <utility>

#include "watch/watch.hpp"

/// The part of a watch that draws its picture.
namespace pgcurfew {

namespace {

/// A claim before it is drawn: only those that are shown are.
struct Sketch {
  ServerTime due{};
  std::size_t session = 0;
  const Case* of_rule = nullptr;
  const DrainClaims* of_drain = nullptr;
  const Standing* standing = nullptr;  ///< null: unknown

  [[nodiscard]] bool is_last() const { return standing != nullptr && is_held_up(standing->stand); }
  [[nodiscard]] auto order() const { return std::tuple(is_last(), due, session); }
};

/// From when on the wait for the next step of a rule counts: from the step before, or from where the age
/// does.
ServerTime start_of_wait(const Case& one, const Episode* episode) {
  const bool goes_on =
      episode != nullptr && episode->anchor == one.judgement.anchor && episode->stepped_at.has_value();
  return goes_on ? *episode->stepped_at : one.judgement.clock_start;
}

/// The same for a drain.
ServerTime start_of_wait(const DrainClaims& claims, const Standing* standing, ServerTime otherwise) {
  if (!claims.since) return otherwise;
  const bool has_before = standing != nullptr && standing->next && standing->next->number > 0;
  return has_before ? due_of(*claims.drain, *claims.since, standing->next->number - 1) : *claims.since;
}

void draw_session(const Session& session, ClaimPicture& claim) {
  claim.session = session.key;
  claim.database = session.database;
  claim.user = session.user;
  claim.application_name = session.application_name;
  claim.state = session.state;
}

void draw_standing(const Sketch& sketch, MonotonicTime now, ClaimPicture& claim) {
  if (sketch.standing == nullptr) return;
  claim.stand = sketch.standing->stand;
  claim.until = sketch.standing->until;
  if (sketch.standing->until_ours) claim.until_in = std::max(Duration(0), *sketch.standing->until_ours - now);
  if (const auto& next = sketch.standing->next) {
    claim.due = next->due;
    claim.step = next->kind;
    claim.step_number = next->number + 1;
  }
}

void draw_sessions(const Look& look, ServerPicture& picture) {
  for (const auto& session : look.sessions) {
    if (session.backend_type != "client backend") continue;
    if (session.state) {
      ++picture.by_state[*session.state];
    } else {
      ++picture.without_state;
    }
  }
  picture.hidden = look.hidden;
}

void draw_drains(const Policy& policy, const DrainDesk& desk, ServerPicture& picture) {
  for (const auto& plan : policy.drains)
    picture.planned_drains.push_back({plan.name, plan.mode, desk.closed_gates(plan.name)});
  picture.gates = desk.all_closed_gates();
  picture.gate_count = picture.gates.size();
  picture.gates.resize(std::min(picture.gates.size(), ServerPicture::kMostGates));
  auto all = desk.progress();
  for (auto& progress : all) {
    const auto plan = std::find_if(policy.drains.begin(), policy.drains.end(),
                                   [&](const Drain& one) { return one.name == progress.drain; });
    const bool is_known = plan != policy.drains.end();
    // a run without gates, or that rehearses, goes through the same states
    if (progress.mode == Mode::kDryRun || (is_known && plan->gate == GateKind::kNone)) progress.closed = 0;
    auto& drain = picture.drains.emplace_back(DrainPicture{std::move(progress), 0});
    auto& remaining = drain.progress.remaining;
    drain.remaining = remaining.size();
    remaining.resize(std::min(remaining.size(), ServerPicture::kMostRemaining));
  }
}

}  // namespace

ServerPicture Watch::picture(MonotonicTime now) const {
  ServerPicture picture;
  picture.name = options_.server;
  picture.is_up = !holds_.has(Hold::kDown);
  picture.facts = facts_;
  picture.holds = holds_.shown();
  picture.holds_still = !holds_.let(Activity::kRules);
  if (clock_.is_known()) picture.server_time = clock_.at(now);
  picture.last_look = last_look_wall_;
  if (last_look_wall_) picture.look_age = now - last_look_;
  picture.look_bound = look_plan_.interval + 2 * kReplyDeadline;
  picture.has_look = look_ != nullptr;
  if (next_due_ && clock_.is_known())
    picture.next_due_in = std::max(Duration(0), clock_.when(*next_due_) - now);
  picture.orders_in_flight = in_flight_.size();
  picture.counts = {signals_sent_, signals_late_, look_durations_, overshoots_};
  if (look_) {
    picture.client_backends = docket_.client_backends;
    draw_sessions(*look_, picture);
  }
  draw_rules(now, picture);
  draw_claims(now, picture);
  draw_drains(*policy_, drains_, picture);
  for (const auto mode : {Mode::kEnforce, Mode::kDryRun}) {
    const auto& breaker = mode == Mode::kEnforce ? ledger_.breaker : ledger_.rehearsed_breaker;
    picture.breakers.push_back(
        {mode, breaker.is_open(), breaker.open_tenants(), breaker.open(ServerPicture::kMostBreakers)});
  }
  return picture;
}

void Watch::draw_rules(MonotonicTime now, ServerPicture& picture) const {
  for (std::size_t i = 0; i < policy_->rules.size(); ++i) {
    const auto& rule = policy_->rules[i];
    auto& drawn = picture.rules.emplace_back();
    drawn.name = rule.name;
    drawn.mode = rule.mode;
    for (const auto& step : rule.escalate) drawn.steps.push_back(step.kind);
    const auto pace = ledger_.paces.find(i);
    if (pace != ledger_.paces.end() && pace->second.paused_until && *pace->second.paused_until > now)
      drawn.paused_for = *pace->second.paused_until - now;
  }
  for (const auto& [key, episode] : ledger_.episodes) {
    if (key.claimant.kind() == ClaimantKind::kRule && key.claimant.rule < picture.rules.size() &&
        !episode.id.empty())
      ++picture.rules[key.claimant.rule].episodes;
  }
}

/// Shows where each claim stands as the last decision has said it; if there was none on this look, only when
/// it falls due.
void Watch::draw_claims(MonotonicTime now, ServerPicture& picture) const {
  if (!look_) return;
  std::vector<Sketch> sketches;
  const bool has_stands = standings_.cases.size() == docket_.cases.size();
  for (std::size_t i = 0; i < docket_.cases.size(); ++i) {
    const auto& one = docket_.cases[i];
    const auto* standing = has_stands ? &standings_.cases[i] : nullptr;
    const bool has_step = standing != nullptr && standing->next;
    sketches.push_back(
        {has_step ? standing->next->due : one.judgement.due, one.session, &one, nullptr, standing});
    auto& rule = picture.rules[one.rule];
    ++rule.claims;
    if (standing != nullptr) ++rule.stands[standing->stand];
  }
  const auto claims = drains_.claims();
  for (std::size_t i = 0; i < claims.size(); ++i) {
    if (claims[i].look_number != docket_.look_number) continue;
    const bool is_same = i < standings_.drains.size() &&
                         standings_.drains[i].size() == claims[i].sessions.size() && has_stands;
    for (std::size_t j = 0; j < claims[i].sessions.size(); ++j) {
      const auto* standing = is_same ? &standings_.drains[i][j] : nullptr;
      const bool has_step = standing != nullptr && standing->next;
      sketches.push_back({has_step ? standing->next->due : claims[i].since.value_or(look_->taken_at),
                          claims[i].sessions[j], nullptr, &claims[i], standing});
    }
  }
  picture.claim_count = sketches.size();
  const auto shown = std::min(sketches.size(), ServerPicture::kMostClaims);
  std::partial_sort(sketches.begin(), sketches.begin() + static_cast<std::ptrdiff_t>(shown), sketches.end(),
                    [](const Sketch& a, const Sketch& b) { return a.order() < b.order(); });
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& sketch = sketches[i];
    const auto& session = look_->sessions[sketch.session];
    ClaimPicture claim;
    claim.due = sketch.due;
    draw_session(session, claim);
    draw_standing(sketch, now, claim);
    const bool is_rules = sketch.of_rule != nullptr;
    const auto claimant = is_rules ? Claimant::of_rule(sketch.of_rule->rule)
                                   : Claimant::of_drain(sketch.of_drain->drain->name, sketch.of_drain->run);
    claim.kind = claimant.kind();
    const auto& ladder =
        is_rules ? policy_->rules[sketch.of_rule->rule].escalate : sketch.of_drain->drain->escalate;
    claim.claimant = is_rules ? policy_->rules[sketch.of_rule->rule].name : sketch.of_drain->drain->name;
    claim.mode = is_rules ? policy_->rules[sketch.of_rule->rule].mode : sketch.of_drain->drain->mode;
    claim.step_count = ladder.size();
    const auto* episode = ledger_.find({session.key, claimant});
    if (episode != nullptr) claim.episode = episode->id;
    claim.since = is_rules ? start_of_wait(*sketch.of_rule, episode)
                           : start_of_wait(*sketch.of_drain, sketch.standing, look_->taken_at);
    picture.claims.push_back(std::move(claim));
  }
}

}  // namespace pgcurfew
