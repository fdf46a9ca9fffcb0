#pragma once

#include <iosfwd>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "engine/engine_fixture.hpp"

namespace pgcurfew::testing {

/// The content of a file, in parts that a property can change one at a time.
struct ExceptionSpec {
  std::string conditions;
  std::optional<int> later_s;  ///< seconds by which it moves the limit of the rule's first age
};
struct RuleSpec {
  std::vector<std::string> conditions;      ///< `state: active`
  std::vector<std::pair<Clock, int>> ages;  ///< limits in seconds; each clock once
  std::vector<ExceptionSpec> except;
  std::string ladder;  ///< `[ cancel, terminate: { after: 10s } ]`
  Mode mode = Mode::kEnforce;
};
struct PolicySpec {
  std::vector<std::string> protect;
  std::vector<RuleSpec> rules;
};

std::string yaml_of(const PolicySpec& spec);

/// A number of [from, to). rapidcheck's own starts small and grows; here the rare cases are not the large
/// ones.
template <class T>
T draw(T from, T to) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(from, to));
}

/// A random policy. `mode`: of all its rules; each draws its own if it is left out.
rc::Gen<PolicySpec> any_policy(std::optional<Mode> mode = std::nullopt);

/// Conditions that an exception or a protection can have.
rc::Gen<std::string> any_condition();

/// A row of pg_stat_activity, with NULLs; its timestamps lie on whole tens of seconds before at(0s) and a
/// microsecond around them, so that sessions often fall due together.
rc::Gen<Session> any_session(std::int32_t pid);

/// Up to `count` sessions with keys of their own.
std::vector<Session> draw_sessions(std::size_t count);

/// What may happen to a backend within one second, its identity kept; the texts that are a query's own change
/// with its query_start alone.
Session drawn_change_of(Session session, Duration now);

/// A desk with a past: looks, orders, replies of all kinds, some of them missing; the last look is made.
struct Scene {
  PolicySpec spec;
  Desk desk;
  Duration now{};
};

struct SceneOptions {
  std::size_t rounds = 3;            ///< of the past, at the most
  bool has_bounds = false;           ///< whether safety can hold orders back
  std::optional<Mode> mode{};        ///< of all rules
  std::optional<ReplyKind> reply{};  ///< the server's only answer, and it always comes
};
rc::Gen<Scene> any_scene(SceneOptions options = {});

/// Another desk with the same ledger and the same look, under another policy with the same number of rules.
Desk with_policy(const Desk& desk, const PolicySpec& spec);
/// The scene's own desk once more. A docket points into its policy, so it is made again.
Desk copy_of(const Scene& scene);

/// Removes all bounds.
void open_wide(Policy& policy);

/// (session, rule, step), of orders and of steps that count as done by them.
using DueStep = std::tuple<SessionKey, std::size_t, std::size_t>;
using DueSteps = std::set<DueStep>;

/// What decide() takes at `now` in an enforced, an alerting or a dry way. Leaves the desk as decide() does.
DueSteps take_due(Desk& desk, Duration now);

/// Whether all of `some` are in `all`.
bool is_subset(const DueSteps& some, const DueSteps& all);

/// The guard as statement::guard checks it inside the server, for a row as it is at `moment`.
bool guard_holds(const Guard& guard, const Session& row, ServerTime moment);

void showValue(const Scene& scene, std::ostream& out);
void showValue(const PolicySpec& spec, std::ostream& out);
std::string text_of(const Session& session);

}  // namespace pgcurfew::testing
