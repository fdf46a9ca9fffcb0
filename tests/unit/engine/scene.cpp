#include "engine/scene.hpp"

#include <algorithm>
#include <cstdlib>
#include <ostream>

#include <fmt/format.h>

namespace pgcurfew::testing {

namespace {

// rapidcheck's default of 100 cases is few; RC_PARAMS of the caller goes first
[[maybe_unused]] const int kMoreCases = setenv("RC_PARAMS", "max_success=300", 0);

using std::chrono::microseconds;
using std::chrono::seconds;

template <class T>
T pick(std::vector<T> values) {
  const auto index = draw<std::size_t>(0, values.size());
  return std::move(values[index]);
}

bool once_in(int n) {
  return draw(0, n) == 0;
}

using Texts = std::vector<std::string>;
using MaybeText = std::optional<std::string>;

/// By field, so that a match names each field once.
const std::vector<Texts>& condition_pool() {
  static const std::vector<Texts> pool{
      {"state: active", "state: [active, idle]", "state: idle in transaction",
       "state: [\"idle in transaction (aborted)\", fastpath function call]"},
      {"user: app", "user: \"*\"", "user: [app, etl]"},
      {"database: \"a*\""},
      {"application_name: psql", "application_name: \"nightly-*\""},
      {"wait_event_type: Client"},
      {"wait_event: ClientRead", "wait_event: [ClientWrite, relation]"},
      {"query: vacuum"},
      {"query_id: [1, 2]"},
      {"client_addr: local", "client_addr: 10.0.0.0/8"},
  };
  return pool;
}

std::vector<std::string> draw_conditions(std::size_t most) {
  std::vector<std::string> conditions;
  for (const auto& alternatives : condition_pool()) {
    if (conditions.size() < most && once_in(8)) conditions.push_back(pick(alternatives));
  }
  return conditions;
}

std::string draw_ladder(const RuleSpec& rule) {
  Texts ladders{"[ terminate ]", "[ terminate: { after: 10s } ]", "[ alert ]",
                "[ alert, terminate: { after: 10s } ]"};
  const auto only_idle = std::any_of(rule.conditions.begin(), rule.conditions.end(),
                                     [](const auto& text) { return text == "state: idle in transaction"; });
  if (!only_idle) {
    ladders.insert(ladders.end(),
                   {"[ cancel ]", "[ cancel, terminate: { after: 10s } ]",
                    "[ cancel, terminate: { after: 10s } ]", "[ cancel, terminate: { after: 20s } ]",
                    "[ alert, cancel: { after: 1s }, terminate: { after: 10s } ]"});
  }
  return pick(ladders);
}

RuleSpec draw_rule(std::optional<Mode> mode) {
  RuleSpec rule;
  rule.conditions = draw_conditions(2);
  if (once_in(8)) rule.conditions.emplace_back("backend_type: [client backend, autovacuum worker]");
  for (const auto clock : {Clock::kStateAge, Clock::kQueryAge, Clock::kTransactionAge, Clock::kSessionAge}) {
    if (once_in(3)) rule.ages.emplace_back(clock, pick<int>({10, 20, 20, 30}));
  }
  if (rule.conditions.empty() && rule.ages.empty()) rule.ages.emplace_back(Clock::kQueryAge, 10);
  while (once_in(3) && rule.except.size() < 3) {
    ExceptionSpec exception{*any_condition(), std::nullopt};
    if (!rule.ages.empty() && once_in(2)) exception.later_s = pick<int>({5, 10, 30});
    rule.except.push_back(std::move(exception));
  }
  rule.ladder = draw_ladder(rule);
  rule.mode = mode.value_or(once_in(4) ? Mode::kDryRun : Mode::kEnforce);
  return rule;
}

std::string yaml_of(const RuleSpec& rule, std::size_t number) {
  Texts match = rule.conditions;
  for (const auto& [clock, limit] : rule.ages) match.push_back(fmt::format("{}: {}s", name_of(clock), limit));
  Texts except;
  for (const auto& exception : rule.except) {
    except.push_back("{ " + exception.conditions);
    if (exception.later_s) {
      const auto& [clock, limit] = rule.ages.front();
      except.back() += fmt::format(", {}: {}s", name_of(clock), limit + *exception.later_s);
    }
    except.back() += " }";
  }
  auto text = fmt::format("  - {{ name: r{}, match: {{ {} }}, ", number, fmt::join(match, ", "));
  if (!except.empty()) text += fmt::format("except: [ {} ], ", fmt::join(except, ", "));
  return text + fmt::format("escalate: {}, mode: {} }}\n", rule.ladder, name_of(rule.mode));
}

std::optional<ServerTime> draw_moment() {
  if (once_in(12)) return std::nullopt;
  return at(seconds(-10 * draw(0, 8)) + microseconds(pick<int>({0, 0, 0, -1, 1})));
}

void draw_wait(Session& session) {
  const auto wait = pick<std::pair<MaybeText, MaybeText>>({{std::nullopt, std::nullopt},
                                                           {std::nullopt, std::nullopt},
                                                           {"Client", "ClientRead"},
                                                           {"Client", "ClientWrite"},
                                                           {"Lock", "relation"},
                                                           {"IPC", "SyncRep"}});
  session.wait_event_type = wait.first;
  session.wait_event = wait.second;
}

std::optional<State> draw_state() {
  return pick<std::optional<State>>({State::kActive, State::kActive, State::kActive, State::kIdle,
                                     State::kIdleInTransaction, State::kIdleInTransactionAborted,
                                     State::kFastpathFunctionCall, State::kDisabled, State::kStarting,
                                     State::kOther, std::nullopt});
}

ReplyKind draw_reply() {
  return pick<ReplyKind>({ReplyKind::kSignalled, ReplyKind::kSignalled, ReplyKind::kSignalled,
                          ReplyKind::kMovedOn, ReplyKind::kGone, ReplyKind::kEarly, ReplyKind::kStale,
                          ReplyKind::kSyncRep, ReplyKind::kDenied, ReplyKind::kFailed, ReplyKind::kUnknown});
}

/// One round of the past: orders at `now`, most of them answered.
void live_through(Desk& desk, Duration now, const SceneOptions& options) {
  for (const auto& order : desk.decide_at(now).orders) {
    if (options.reply) {
      desk.reply(order, *options.reply, now);
    } else if (!once_in(6)) {
      desk.reply(order, draw_reply(), now + microseconds(draw(0, 3)));
    }
  }
}

/// A server moves a state and its state_change at once, and a query and its query_start, and never to the
/// moment that was seen.
ServerTime moved(const std::optional<ServerTime>& seen, ServerTime moment) {
  return seen ? std::max(moment, *seen + 1us) : moment;
}

}  // namespace

std::string yaml_of(const PolicySpec& spec) {
  std::string text;
  if (!spec.protect.empty())
    text += fmt::format("protect: [ {{ {} }} ]\n", fmt::join(spec.protect, " }, { "));
  text += "rules:\n";
  for (std::size_t i = 0; i < spec.rules.size(); ++i) text += yaml_of(spec.rules[i], i);
  return text;
}

rc::Gen<std::string> any_condition() {
  return rc::gen::exec([] { return pick(pick(condition_pool())); });
}

rc::Gen<PolicySpec> any_policy(std::optional<Mode> mode) {
  return rc::gen::exec([mode] {
    PolicySpec spec;
    if (once_in(3)) spec.protect.push_back(*any_condition());
    const auto rules = draw<std::size_t>(1, 5);
    while (spec.rules.size() < rules) spec.rules.push_back(draw_rule(mode));
    return spec;
  });
}

rc::Gen<Session> any_session(std::int32_t pid) {
  return rc::gen::exec([pid] {
    Session session;
    session.key = {pid, draw_moment().value_or(at(-90s))};
    session.database = pick<MaybeText>({"app", "shop", std::nullopt});
    session.user = pick<MaybeText>({"app", "app", "etl", std::nullopt});
    session.has_nameless_database = !session.database && once_in(2);
    session.has_nameless_user = !session.user && once_in(2);
    session.application_name = pick<MaybeText>({"psql", "nightly-1", "", std::nullopt});
    session.is_local = once_in(2);
    session.backend_type = once_in(8) ? pick<std::string>({"autovacuum worker", "walsender",
                                                           "parallel "
                                                           "worker"})
                                      : "client backend";
    if (once_in(20)) session.leader_pid = 1;
    session.is_own = once_in(20);
    session.state = draw_state();
    session.xact_start = draw_moment();
    session.query_start = draw_moment();
    session.state_change = draw_moment();
    draw_wait(session);
    session.query = pick<MaybeText>({"select 1", "vacuum", std::nullopt});
    session.query_id = pick<std::optional<std::int64_t>>({1, 3, std::nullopt});
    return session;
  });
}

std::vector<Session> draw_sessions(std::size_t count) {
  std::vector<Session> sessions;
  for (std::size_t i = 0; i < count; ++i) {
    // pids are reused: another backend_start is another session
    auto session = *any_session(draw(1, 12));
    const auto same = std::any_of(sessions.begin(), sessions.end(),
                                  [&](const Session& other) { return other.key == session.key; });
    if (!same) sessions.push_back(std::move(session));
  }
  return sessions;
}

Session drawn_change_of(Session session, Duration now) {
  const auto moment = at(now - microseconds(draw(0, 1000000)));
  switch (draw(0, 7)) {
    case 0:
      session.state = draw_state();
      session.state_change = moved(session.state_change, moment);
      break;
    case 1:
      session.query_start = session.query_start && once_in(4)
                                ? std::nullopt
                                : std::optional(moved(session.query_start, moment));
      session.query = pick<MaybeText>({"select 1", "vacuum", std::nullopt});
      session.query_id = pick<std::optional<std::int64_t>>({1, 3, std::nullopt});
      break;
    case 2:
      session.xact_start = once_in(2) ? std::nullopt : std::optional(moment);
      break;
    case 3:
      session.state_change = once_in(4) ? std::nullopt : std::optional(moment);
      break;
    case 4:
      draw_wait(session);
      break;
    case 5:
      session.application_name = pick<MaybeText>({"psql", "nightly-1", "", std::nullopt});
      break;
    default:
      session.query_id = pick<std::optional<std::int64_t>>({1, 3, std::nullopt});
      break;
  }
  return session;
}

rc::Gen<Scene> any_scene(SceneOptions options) {
  return rc::gen::exec([options] {
    Scene scene;
    scene.spec = *any_policy(options.mode);
    scene.desk = Desk(yaml_of(scene.spec));
    if (!options.has_bounds) {
      open_wide(scene.desk.policy);
    } else if (once_in(2)) {
      scene.desk.policy.safety.signals = 2;
    }
    auto sessions = draw_sessions(draw<std::size_t>(1, 9));
    scene.now = seconds(draw(-20, 10));
    const auto rounds = draw<std::size_t>(0, options.rounds + 1);
    for (std::size_t round = 0; round < rounds; ++round) {
      scene.desk.look(sessions, scene.now);
      live_through(scene.desk, scene.now, options);
      scene.now += pick<Duration>({1us, 1s, 2s, 5s, 10s});
      for (auto& session : sessions) {
        if (once_in(5)) session = drawn_change_of(session, scene.now);
      }
      if (once_in(4)) sessions.pop_back();
      if (sessions.empty()) sessions = draw_sessions(2);
    }
    scene.desk.look(sessions, scene.now);
    scene.now += pick<Duration>({0s, 0s, 1us, 1s, 10s, 20s});
    return scene;
  });
}

Desk copy_of(const Scene& scene) {
  Desk desk = scene.desk;
  desk.docket = make_docket(desk.policy, desk.seen);
  return desk;
}

Desk with_policy(const Desk& desk, const PolicySpec& spec) {
  Desk other(yaml_of(spec));
  other.policy.safety = desk.policy.safety;
  other.seen = desk.seen;
  other.ledger = desk.ledger;
  other.docket = make_docket(other.policy, other.seen);
  return other;
}

}  // namespace pgcurfew::testing
