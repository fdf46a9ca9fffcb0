// How long decide takes, over sessions and rules: linear in both, or something is wrong.
#include <cstdlib>
#include <string>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "engine/decide.hpp"
#include "engine/docket.hpp"
#include "policy/reader/load.hpp"

namespace pgcurfew {
namespace {

using namespace std::chrono_literals;

constexpr ServerTime kNow{std::chrono::hours(24 * 365 * 26)};

/// Rules as people write them: most sessions match the names of some and the ages of few.
Policy make_policy(std::int64_t rules) {
  std::string text = "mode: enforce\nservers: [{ name: s, conninfo: host=/x }]\nrules:\n";
  for (std::int64_t i = 0; i < rules; ++i) {
    const auto* state = i % 2 == 0 ? "active, query_age: 10min" : "idle in transaction, state_age: 5min";
    text += fmt::format(
        "  - name: r{0}\n    match: {{ database: [db{1}, \"app_{0}_*\"], user: \"app*\", state: {2} }}\n"
        "    except: [ {{ user: etl, {3}: 2h }}, {{ application_name: \"nightly-*\" }} ]\n    escalate: [ "
        "{4} ]\n",
        i, i % 10, state, i % 2 == 0 ? "query_age" : "state_age",
        i % 2 == 0 ? "cancel, terminate: { after: 30s }" : "terminate");
  }
  const auto loaded = load_policy({"bench.yaml", text}, {});
  if (!loaded.policy) std::abort();
  return *loaded.policy;
}

Look make_look(std::int64_t sessions) {
  Look look;
  look.number = 1;
  look.taken_at = kNow;
  for (std::int64_t i = 0; i < sessions; ++i) {
    Session session;
    session.key = {static_cast<std::int32_t>(1000 + i), kNow - 24h};
    session.database = fmt::format("db{}", i % 20);
    session.user = fmt::format("app{}", i % 7);
    session.application_name = "service";
    session.backend_type = "client backend";
    session.state = i % 10 == 0 ? State::kActive : i % 10 == 1 ? State::kIdleInTransaction : State::kIdle;
    session.query_start = session.state_change = kNow - 1s * (i % 300);
    if (session.state != State::kIdle) session.xact_start = session.query_start;
    look.sessions.push_back(std::move(session));
  }
  return look;
}

/// A whole turn after a look: match every session against every rule, then decide.
void look_and_decide(benchmark::State& state) {
  const auto look = make_look(state.range(0));
  const auto policy = make_policy(state.range(1));
  for (auto _ : state) {
    Ledger ledger;
    const auto docket = make_docket(policy, look);
    benchmark::DoNotOptimize(decide(policy, look, docket, {}, ledger, {kNow, MonotonicTime(1h)}));
  }
  state.SetComplexityN(state.range(0) * state.range(1));
}
BENCHMARK(look_and_decide)
    ->ArgNames({"sessions", "rules"})
    ->Args({1000, 50})
    ->Args({2000, 50})
    ->Args({5000, 50})
    ->Args({10000, 50})
    ->Args({10000, 25})
    ->Args({10000, 10})
    ->Unit(benchmark::kMillisecond)
    ->Complexity(benchmark::oN);

/// A wake-up between two looks.
void decide_again(benchmark::State& state) {
  const auto look = make_look(state.range(0));
  const auto policy = make_policy(state.range(1));
  const auto docket = make_docket(policy, look);
  Ledger ledger;
  for (auto _ : state) {
    benchmark::DoNotOptimize(decide(policy, look, docket, {}, ledger, {kNow, MonotonicTime(1h)}));
  }
}
BENCHMARK(decide_again)->ArgNames({"sessions", "rules"})->Args({10000, 50})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pgcurfew
