#include "policy/rule_reader.hpp"

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "policy/ladder_reader.hpp"
#include "policy/match_reader.hpp"
#include "policy/rule_checks.hpp"
#include "policy/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::array<std::string_view, 6> kRuleKeys{"name",   "description", "match",
                                                    "except", "escalate",    "mode"};
constexpr std::array<Synonym, 19> kRuleSynonyms{{
    {"when", "match"},        {"where", "match"},         {"if", "match"},       {"conditions", "match"},
    {"action", "escalate"},   {"actions", "escalate"},    {"steps", "escalate"}, {"then", "escalate"},
    {"do", "escalate"},       {"exclude", "except"},      {"exempt", "except"},  {"unless", "except"},
    {"exceptions", "except"}, {"comment", "description"}, {"title", "name"},     {"id", "name"},
    {"enabled", "mode"},      {"dry_run", "mode"},        {"dry-run", "mode"},
}};
constexpr std::string_view kRuleExample = "A rule is a mapping with name, match and escalate.";
constexpr std::string_view kExceptExample =
    "Each entry of the list stands behind a dash, as in - { user: etl }.";

std::vector<ReadMatch> read_except(const YamlNode& node, Complaints& complaints) {
  std::vector<ReadMatch> entries;
  if (!expect_list(node, "except", kExceptExample, complaints)) return entries;
  for (const auto& value : node.values) {
    if (auto entry = read_match(value, MatchOwner::kException, complaints)) {
      entries.push_back(std::move(*entry));
    }
  }
  return entries;
}

Mode read_rule_mode(const YamlNode& node, Mode file_mode, Complaints& complaints) {
  const auto* value = node.find("mode");
  if (value == nullptr) return file_mode;
  const auto mode = read_mode(*value, complaints);
  if (mode == Mode::kEnforce && file_mode == Mode::kDryRun) {
    complaints.error(value->mark, "a rule cannot enforce while its file is a dry run",
                     "A rule's mode can only be milder: set mode: enforce at the top of the main file, and "
                     "mode: dry-run in the rules that shall wait.");
  }
  return milder(mode.value_or(Mode::kDryRun), file_mode);
}

const YamlNode* required(const YamlNode& node, std::string_view key, std::string_view hint,
                         Complaints& complaints) {
  const auto* value = node.find(key);
  if (value == nullptr) {
    complaints.error(node.mark, fmt::format("a rule has no \"{}\"", key), std::string(hint));
  }
  return value;
}

}  // namespace

std::optional<Mode> read_mode(const YamlNode& node, Complaints& complaints) {
  constexpr std::array<std::string_view, 2> kModes{"dry-run", "enforce"};
  constexpr std::array<Synonym, 8> kSynonyms{{{"dry_run", "dry-run"},
                                              {"dry", "dry-run"},
                                              {"off", "dry-run"},
                                              {"no", "dry-run"},
                                              {"on", "enforce"},
                                              {"yes", "enforce"},
                                              {"live", "enforce"},
                                              {"enforced", "enforce"}}};
  const auto index = read_choice(node, "mode", kModes, kSynonyms, complaints);
  if (!index) return std::nullopt;
  return *index == 0 ? Mode::kDryRun : Mode::kEnforce;
}

std::optional<Rule> read_rule(const YamlNode& node, Mode file_mode, Complaints& complaints) {
  if (!expect_map(node, "rules", kRuleExample, complaints)) return std::nullopt;
  check_keys(node, "a rule", kRuleKeys, kRuleSynonyms, complaints);
  Rule rule;
  rule.place = complaints.place(node.mark);
  if (const auto* name = required(node, "name", "The log knows it by its name.", complaints)) {
    rule.name = read_identifier(*name, "name", complaints).value_or("");
  }
  if (const auto* text = node.find("description")) {
    rule.description = read_text(*text, "description", complaints, Lines::kMany).value_or("");
  }
  rule.mode = read_rule_mode(node, file_mode, complaints);

  std::optional<ReadMatch> match;
  if (const auto* value =
          required(node, "match", "A rule without a condition would hit everyone.", complaints)) {
    match = read_match(*value, MatchOwner::kRule, complaints);
  }
  std::vector<ReadMatch> except;
  if (const auto* value = node.find("except")) except = read_except(*value, complaints);
  if (const auto* value =
          required(node, "escalate", "It says what to do: [ alert, cancel, terminate ].", complaints)) {
    rule.escalate = read_ladder(*value, match ? &match->match : nullptr, complaints);
  }
  if (match) {
    check_rule(*match, node.find("match")->mark, except, rule.escalate, complaints);
    rule.match = std::move(match->match);
  }
  for (auto& entry : except) rule.except.push_back({std::move(entry.match)});
  if (rule.name.empty()) return std::nullopt;
  return rule;
}

}  // namespace pgcurfew
