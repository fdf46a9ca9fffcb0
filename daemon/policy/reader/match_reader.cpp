#include "policy/reader/match_reader.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/condition.hpp"
#include "policy/grammar/grammar.hpp"
#include "policy/grammar/synonyms.hpp"
#include "policy/reader/condition_reader.hpp"
#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kMatchExample = "Conditions are written as in { database: app, state: active }.";

constexpr std::string_view kExceptExample =
    "Write each entry of the list after a dash, as in - { user: etl }.";
constexpr std::string_view kWaiterCount = "sessions";

Mapping mapping_of(MatchOwner owner) {
  switch (owner) {
    case MatchOwner::kRule:
      return Mapping::kMatch;
    case MatchOwner::kException:
      return Mapping::kException;
    case MatchOwner::kWaiter:
      return Mapping::kBlocks;
    case MatchOwner::kDrain:
      return Mapping::kDrainException;
    case MatchOwner::kProtect:
      break;
  }
  return Mapping::kProtection;
}

std::string_view reason_against(Mapping mapping, const FieldEntry& field) {
  if (mapping == Mapping::kBlocks)
    return "It takes only the age blocked_for, and the fields that say which session it is and what it does.";
  if (mapping == Mapping::kDrainException)
    return "An excepted session may stay at any age, whatever it does.";
  if (mapping == Mapping::kException) {
    return "An exception would spare the sessions that do most harm: give them a rule of their own with its "
           "limit.";
  }
  if (field.kind == ValueKind::kAge) {
    return "A session is protected at any age; a later limit belongs in a rule's except.";
  }
  return "A session is protected whatever it does.";
}

std::optional<BlocksTest> read_blocks(const YamlNode& node, Complaints& complaints) {
  if (node.kind != YamlNode::Kind::kMap) {
    const auto count = read_count(node, key_of(Mapping::kMatch, "blocks"), complaints,
                                  ", or says which sessions it blocks: { user: migrator, blocked_for: 5s }");
    return count ? std::optional(BlocksTest{*count, nullptr}) : std::nullopt;
  }
  auto waiter = read_match(node, MatchOwner::kWaiter, complaints);
  BlocksTest test;
  if (const auto* sessions = node.find("sessions")) {
    test.at_least = read_count(*sessions, key_of(Mapping::kBlocks, "sessions"), complaints).value_or(1);
  }
  if (!waiter) return std::nullopt;
  if (!waiter->match.conditions.empty() || !waiter->match.ages.empty()) {
    test.waiter = std::make_shared<const Match>(std::move(waiter->match));
  }
  return test;
}

void read_age(const FieldEntry& field, const YamlNode& value, PlaceInText key, Match& match,
              Complaints& complaints) {
  const auto limit = read_duration(value, field.name, complaints);
  if (!limit) return;
  if (*limit == Duration::zero()) {
    complaints.error(value.at, fmt::format("\"{}\" must be longer than 0", field.name));
    return;
  }
  match.ages.push_back({*clock_of(field.field), *limit, complaints.place(key)});
}

/// The field of a key; an error is reported.
const FieldEntry* field_for(const YamlNode& key, Mapping mapping, Complaints& complaints) {
  const auto names = key_names_of(mapping);
  const auto field = field_of(key.text);
  if (field && std::find(names.begin(), names.end(), key.text) != names.end()) return &entry_of(*field);
  const auto owner = entry_of(mapping).name;
  if (field) {
    complaints.error(key.at, fmt::format("{} takes no {}", owner, key.text),
                     std::string(reason_against(mapping, entry_of(*field))));
    return nullptr;
  }
  complaints.error(key.at, fmt::format("unknown key \"{}\" in {}", printable(key.text, 80), owner),
                   hint_for_key(key.text, names, entry_of(Mapping::kMatch).synonyms));
  return nullptr;
}

void read_field(const FieldEntry& field, const YamlNode& key, const YamlNode& value, MatchOwner owner,
                Match& match, Complaints& complaints) {
  if (field.kind == ValueKind::kAge) return read_age(field, value, key.at, match, complaints);
  auto place = complaints.place(key.at);
  if (field.kind == ValueKind::kBlocks) {
    if (auto test = read_blocks(value, complaints)) {
      match.conditions.push_back(condition_of(field.field, std::move(*test), std::move(place)));
    }
    return;
  }
  auto condition = read_condition(field, value, std::move(place), owner == MatchOwner::kRule, complaints);
  if (condition) match.conditions.push_back(std::move(*condition));
}

}  // namespace

std::optional<ReadMatch> read_match(const YamlNode& node, MatchOwner owner, Complaints& complaints) {
  const auto mapping = mapping_of(owner);
  if (!expect_map(node, entry_of(mapping).name, kMatchExample, complaints)) return std::nullopt;
  ReadMatch read;
  read.match.place = complaints.place(node.at);
  bool has_condition = false;
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const auto& key = node.keys[i];
    if (owner == MatchOwner::kWaiter && key.text == kWaiterCount) continue;
    const auto* field = field_for(key, mapping, complaints);
    // an unknown key is reported; it was meant as a condition
    if (field == nullptr || field->kind != ValueKind::kAge) has_condition = true;
    if (field == nullptr) continue;
    read.named.emplace(field->field, key.at);
    read_field(*field, key, node.values[i], owner, read.match, complaints);
  }
  if (!has_condition && owner == MatchOwner::kException) {
    complaints.error(node.at, "an exception has ages but does not say for which sessions",
                     "It would move the limit for every session: change the rule's own age instead.");
  }
  if (owner == MatchOwner::kRule && !read.named.contains(Field::kBackendType)) {
    read.match.conditions.push_back(client_backend_condition(read.match.place));
  }
  sort_by_cost(read.match);
  return read;
}

std::vector<ReadMatch> read_except(const YamlNode& node, MatchOwner owner, Complaints& complaints) {
  std::vector<ReadMatch> entries;
  if (!expect_list(node, "except", kExceptExample, complaints)) return entries;
  for (const auto& value : node.values) {
    if (auto entry = read_match(value, owner, complaints)) entries.push_back(std::move(*entry));
  }
  return entries;
}

}  // namespace pgcurfew
