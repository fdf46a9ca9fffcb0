#include "policy/ladder_reader.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/condition.hpp"
#include "policy/values.hpp"

namespace pgcurfew {

namespace {

constexpr Duration kLaterStep = std::chrono::seconds(30);
constexpr std::array<StepKind, 3> kKinds{StepKind::kAlert, StepKind::kCancel, StepKind::kTerminate};
constexpr auto kStepSynonyms = std::to_array<Synonym>({
    {"kill", "terminate"},
    {"disconnect", "terminate"},
    {"end", "terminate"},
    {"drop", "terminate"},
    {"pg_terminate_backend", "terminate"},
    {"pg_cancel_backend", "cancel"},
    {"stop", "cancel"},
    {"abort", "cancel"},
    {"warn", "alert"},
    {"log", "alert"},
    {"notify", "alert"},
    {"report", "alert"},
    {"observe", "alert"},
});
constexpr auto kOptionSynonyms = std::to_array<Synonym>(
    {{"wait", "after"}, {"delay", "after"}, {"grace", "after"}, {"for", "after"}, {"in", "after"}});
constexpr std::string_view kLadderExample = "Steps are written as in [ cancel, terminate: { after: 30s } ].";

std::optional<StepKind> read_kind(const YamlNode& node, Complaints& complaints) {
  const auto index =
      read_choice(node, "step", key_of(Mapping::kRule, "escalate").choices, kStepSynonyms, complaints);
  return index ? std::optional(kKinds[*index]) : std::nullopt;
}

/// The wait of `cancel: { after: 30s }`; nothing if it does not say or cannot be read.
std::optional<Duration> read_after(const YamlNode& options, std::string_view step, Complaints& complaints) {
  const auto example = fmt::format("Write {0} alone, or {0}: {{ after: 30s }}.", step);
  if (!expect_map(options, step, example, complaints)) return std::nullopt;
  check_keys(options, fmt::format("step {}", step), key_names_of(Mapping::kStep), kOptionSynonyms,
             complaints);
  const auto* after = options.find("after");
  return after == nullptr ? std::nullopt : read_duration(*after, key_of(Mapping::kStep, "after"), complaints);
}

std::optional<Step> read_step(const YamlNode& node, bool is_first, Complaints& complaints) {
  if (node.kind != YamlNode::Kind::kMap) {
    const auto kind = read_kind(node, complaints);
    if (!kind) return std::nullopt;
    return Step{*kind, is_first ? Duration::zero() : kLaterStep, complaints.place(node.mark)};
  }
  if (!expect_map(node, "escalate", kLadderExample, complaints)) return std::nullopt;
  if (node.keys.size() > 1) {
    complaints.error(node.keys[1].mark, "a second step within one entry of \"escalate\"",
                     "Each step is an entry of its own, behind a dash of its own.");
  }
  const auto kind = read_kind(node.keys.front(), complaints);
  if (!kind) return std::nullopt;
  const auto after = read_after(node.values.front(), name_of(*kind), complaints);
  return Step{*kind, after.value_or(is_first ? Duration::zero() : kLaterStep), complaints.place(node.mark)};
}

/// A ladder goes upwards; an alert may stand on any rung.
void check_order(const std::vector<Step>& before, const Step& step, Mark at, Complaints& complaints) {
  if (step.kind == StepKind::kAlert) return;
  for (const auto& earlier : before) {
    if (earlier.kind == step.kind) {
      complaints.error(at, fmt::format("step {} stands twice in \"escalate\"", name_of(step.kind)),
                       step.kind == StepKind::kCancel ? "Whom a cancel does not end, terminate does." : "");
      return;
    }
    if (earlier.kind > step.kind) {
      complaints.error(at,
                       fmt::format("{} after {} is a step down", name_of(step.kind), name_of(earlier.kind)),
                       "Steps go from mild to strong: alert, cancel, terminate.");
      return;
    }
  }
}

/// *Source*: PostgreSQL acts on a cancel only while it runs a statement (postgres.c, ProcessInterrupts).
bool can_be_cancelled(State state) {
  return state == State::kActive || state == State::kFastpathFunctionCall;
}

void check_cancel(const Match& match, const Step& step, Mark at, Complaints& complaints) {
  const auto* states = states_of(match);
  if (step.kind != StepKind::kCancel || states == nullptr) return;
  if (std::any_of(states->any_of.begin(), states->any_of.end(), can_be_cancelled)) return;
  complaints.error(at, "a cancel has no effect on any state that this rule is for",
                   "A cancel ends a statement that runs (state active); use terminate for the others.");
}

}  // namespace

std::vector<Step> read_ladder(const YamlNode& node, const Match* match, Complaints& complaints) {
  std::vector<Step> steps;
  if (!expect_list(node, "escalate", kLadderExample, complaints)) return steps;
  for (std::size_t i = 0; i < node.values.size(); ++i) {
    const auto step = read_step(node.values[i], i == 0, complaints);
    if (!step) continue;
    const auto at = node.values[i].mark;
    check_order(steps, *step, at, complaints);
    if (match != nullptr) check_cancel(*match, *step, at, complaints);
    steps.push_back(*step);
  }
  return steps;
}

}  // namespace pgcurfew
