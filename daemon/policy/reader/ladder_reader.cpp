#include "policy/reader/ladder_reader.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/condition.hpp"
#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

constexpr Duration kLaterStep = std::chrono::seconds(30);
constexpr Duration kLaterDrainStep = std::chrono::seconds(20);
constexpr Duration kDrainWait = std::chrono::seconds(30);
constexpr std::array<StepKind, 3> kKinds{StepKind::kAlert, StepKind::kCancel, StepKind::kTerminate};
constexpr std::string_view kLadderExample = "Steps are written as in [ cancel, terminate: { after: 30s } ].";

constexpr std::string_view kDrainLadderExample =
    "Steps are written as in [ wait: { for: 1min }, cancel, terminate: { after: 20s } ].";

std::optional<StepKind> read_kind(const YamlNode& node, Complaints& complaints) {
  const auto index = read_choice(node, key_of(Mapping::kRule, "escalate"), complaints, "step");
  return index ? std::optional(kKinds[*index]) : std::nullopt;
}

/// The wait of `cancel: { after: 30s }`; empty if it is missing or cannot be read.
std::optional<Duration> read_after(const YamlNode& options, std::string_view step, Complaints& complaints) {
  const auto example = fmt::format("Write {0} alone, or {0}: {{ after: 30s }}.", step);
  if (!expect_map(options, step, example, complaints)) return std::nullopt;
  check_keys(options, Mapping::kStep, fmt::format("step {}", step), complaints);
  const auto* after = options.find("after");
  return after == nullptr ? std::nullopt : read_duration(*after, key_of(Mapping::kStep, "after"), complaints);
}

/// One entry of a ladder: the word, and its options.
struct Rung {
  const YamlNode* word = nullptr;
  const YamlNode* options = nullptr;
};

std::optional<Rung> rung_of(const YamlNode& node, std::string_view example, Complaints& complaints) {
  if (node.kind != YamlNode::Kind::kMap) return Rung{&node, nullptr};
  if (!expect_map(node, "escalate", example, complaints)) return std::nullopt;
  if (node.keys.size() > 1) {
    complaints.error(node.keys[1].at, "a second step within one entry of \"escalate\"",
                     "Write each step as an entry of its own, after a dash of its own.");
  }
  return Rung{&node.keys.front(), &node.values.front()};
}

std::optional<Step> read_step(const YamlNode& node, bool is_first, Complaints& complaints) {
  const auto rung = rung_of(node, kLadderExample, complaints);
  if (!rung) return std::nullopt;
  const auto kind = read_kind(*rung->word, complaints);
  if (!kind) return std::nullopt;
  const auto after = rung->options == nullptr ? std::optional<Duration>()
                                              : read_after(*rung->options, name_of(*kind), complaints);
  return Step{*kind, after.value_or(is_first ? Duration::zero() : kLaterStep), complaints.place(node.at)};
}

/// The steps of a ladder get stronger; an alert may be at any place.
void check_order(const std::vector<Step>& before, const Step& step, PlaceInText at, Complaints& complaints) {
  if (step.kind == StepKind::kAlert) return;
  for (const auto& earlier : before) {
    if (earlier.kind == step.kind) {
      complaints.error(
          at, fmt::format("step {} appears twice in \"escalate\"", name_of(step.kind)),
          step.kind == StepKind::kCancel ? "Use terminate for sessions that a cancel does not end." : "");
      return;
    }
    if (earlier.kind > step.kind) {
      complaints.error(at,
                       fmt::format("{} after {} is a step down", name_of(step.kind), name_of(earlier.kind)),
                       "Steps go from mild to strong: cancel, then terminate.");
      return;
    }
  }
}

/// *Source*: PostgreSQL acts on a cancel only while it runs a statement (postgres.c, ProcessInterrupts).
bool can_be_cancelled(State state) {
  return state == State::kActive || state == State::kFastpathFunctionCall;
}

void check_cancel(const Match& match, const Step& step, PlaceInText at, Complaints& complaints) {
  const auto* states = states_of(match);
  if (step.kind != StepKind::kCancel || states == nullptr) return;
  if (std::any_of(states->any_of.begin(), states->any_of.end(), can_be_cancelled)) return;
  complaints.error(at, "a cancel has no effect on any state that this rule matches",
                   "A cancel ends a statement that runs (state active); use terminate for the others.");
}

// -- drains ----------------------------------------------------------------------------------------------

constexpr std::size_t kWaitStep = 0;  ///< index among the choices

Duration read_wait(const Rung& rung, Complaints& complaints) {
  if (rung.options == nullptr) return kDrainWait;
  if (!expect_map(*rung.options, "wait", "Write wait alone, or wait: { for: 1min }.", complaints)) return {};
  check_keys(*rung.options, Mapping::kWait, "step wait", complaints);
  const auto* time = rung.options->find("for");
  if (time == nullptr) return kDrainWait;
  return read_duration(*time, key_of(Mapping::kWait, "for"), complaints).value_or(kDrainWait);
}

/// The index of the step's word among the choices.
std::optional<std::size_t> read_drain_word(const YamlNode& word, Complaints& complaints) {
  if (word.kind == YamlNode::Kind::kText && word.text == name_of(StepKind::kAlert)) {
    complaints.error(word.at, "a drain has no step alert",
                     "Each of its steps is logged anyway; announce: alerts before the drain begins.");
    return std::nullopt;
  }
  return read_choice(word, key_of(Mapping::kDrain, "escalate"), complaints, "step");
}

}  // namespace

std::vector<Step> read_ladder(const YamlNode& node, const Match* match, Complaints& complaints) {
  std::vector<Step> steps;
  if (!expect_list(node, "escalate", kLadderExample, complaints)) return steps;
  for (std::size_t i = 0; i < node.values.size(); ++i) {
    const auto step = read_step(node.values[i], i == 0, complaints);
    if (!step) continue;
    const auto at = node.values[i].at;
    check_order(steps, *step, at, complaints);
    if (match != nullptr) check_cancel(*match, *step, at, complaints);
    steps.push_back(*step);
  }
  return steps;
}

DrainLadder default_drain_ladder(const Place& place) {
  return {kDrainWait,
          {{StepKind::kCancel, Duration::zero(), place}, {StepKind::kTerminate, kLaterDrainStep, place}}};
}

DrainLadder read_drain_ladder(const YamlNode& node, Complaints& complaints) {
  DrainLadder ladder;
  if (!expect_list(node, "escalate", kDrainLadderExample, complaints)) return ladder;
  for (std::size_t i = 0; i < node.values.size(); ++i) {
    const auto& entry = node.values[i];
    const auto rung = rung_of(entry, kDrainLadderExample, complaints);
    const auto index = rung ? read_drain_word(*rung->word, complaints) : std::nullopt;
    if (!index) continue;
    if (*index == kWaitStep) {
      if (i > 0) {
        complaints.error(entry.at, "wait has to be the first step",
                         "Write the wait before a later step in its after.");
      }
      ladder.wait = read_wait(*rung, complaints);
      continue;
    }
    const auto kind = *index == kWaitStep + 1 ? StepKind::kCancel : StepKind::kTerminate;
    const auto after = rung->options == nullptr ? std::optional<Duration>()
                                                : read_after(*rung->options, name_of(kind), complaints);
    const Step step{kind, after.value_or(ladder.steps.empty() ? Duration::zero() : kLaterDrainStep),
                    complaints.place(entry.at)};
    check_order(ladder.steps, step, entry.at, complaints);
    ladder.steps.push_back(step);
  }
  return ladder;
}

}  // namespace pgcurfew
