#include "policy/reader/rule_reader.hpp"

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "policy/advice/rule_warnings.hpp"
#include "policy/grammar/grammar.hpp"
#include "policy/reader/ladder_reader.hpp"
#include "policy/reader/match_reader.hpp"
#include "policy/reader/rule_checks.hpp"
#include "policy/reader/rule_parts_reader.hpp"
#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kRuleExample = "A rule is a mapping with name, match and escalate.";
/// Where, when, how many and how often.
void read_circumstances(const YamlNode& node, const RuleContext& context, Rule& rule,
                        Complaints& complaints) {
  if (const auto* servers = node.find("servers")) {
    rule.servers = read_server_selection(*servers, context.servers, complaints);
  }
  rule.selection = read_selection(node, complaints);
  if (const auto* when = node.find("when")) rule.when = read_when(*when, complaints);
  if (const auto* during = node.find("during")) {
    rule.hours.during = read_windows(*during, key_of(Mapping::kRule, "during"), context.zone, complaints);
  }
  if (const auto* not_during = node.find("not_during")) {
    rule.hours.not_during =
        read_windows(*not_during, key_of(Mapping::kRule, "not_during"), context.zone, complaints);
  }
  if (const auto* repeat = node.find("repeat")) rule.repeat = read_repeat(*repeat, complaints);
}

}  // namespace

std::optional<Mode> read_mode(const YamlNode& node, Complaints& complaints) {
  const auto index = read_choice(node, key_of(Mapping::kMainFile, "mode"), complaints);
  if (!index) return std::nullopt;
  return *index == 0 ? Mode::kDryRun : Mode::kEnforce;
}

Mode read_own_mode(const YamlNode& owner, std::string_view what, Mode file_mode, Complaints& complaints) {
  const auto* value = owner.find("mode");
  if (value == nullptr) return file_mode;
  const auto mode = read_mode(*value, complaints);
  if (mode == Mode::kEnforce && file_mode == Mode::kDryRun) {
    complaints.error(
        value->at, fmt::format("a {} cannot enforce while its file is a dry run", what),
        fmt::format("A {0}'s mode can only be milder: set mode: enforce at the top of the main file, and "
                    "mode: dry-run in the {0}s that should wait.",
                    what));
  }
  return milder(mode.value_or(Mode::kDryRun), file_mode);
}

std::optional<Rule> read_rule(const YamlNode& node, const RuleContext& context, Complaints& complaints) {
  if (!expect_map(node, "rules", kRuleExample, complaints)) return std::nullopt;
  const auto errors_before = complaints.error_count();
  check_keys(node, Mapping::kRule, complaints);
  Rule rule;
  rule.place = complaints.place(node.at);
  if (const auto* name =
          find_required(node, "a rule", "name", "The log identifies it by its name.", complaints)) {
    rule.name = read_identifier(*name, "name", complaints).value_or("");
  }
  if (const auto* text = node.find("description")) {
    rule.description = read_text(*text, "description", complaints, Lines::kMany).value_or("");
  }
  rule.mode = read_own_mode(node, "rule", context.mode, complaints);
  read_circumstances(node, context, rule, complaints);

  std::optional<ReadMatch> match;
  if (const auto* value = find_required(
          node, "a rule", "match", "A rule without a condition would match every session.", complaints)) {
    match = read_match(*value, MatchOwner::kRule, complaints);
  }
  std::vector<ReadMatch> except;
  if (const auto* value = node.find("except"))
    except = read_except(*value, MatchOwner::kException, complaints);
  if (const auto* value = find_required(node, "a rule", "escalate",
                                        "It says what to do: [ alert, cancel, terminate ].", complaints)) {
    rule.escalate = read_ladder(*value, match ? &match->match : nullptr, complaints);
  }
  if (match) {
    check_rule(*match, node.find("match")->at, except, rule.escalate, complaints);
    // with other errors, these checks would be unreliable
    if (complaints.error_count() == errors_before) {
      warn_of_rule(node, rule, *match, except, context.servers, complaints);
    }
    rule.match = std::move(match->match);
  }
  for (auto& entry : except) rule.except.push_back({std::move(entry.match)});
  if (rule.name.empty()) return std::nullopt;
  return rule;
}

}  // namespace pgcurfew
