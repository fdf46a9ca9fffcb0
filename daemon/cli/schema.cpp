#include "cli/schema.hpp"

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "policy/grammar/grammar.hpp"
#include "policy/grammar/patterns.hpp"

namespace pgcurfew {

namespace {

using Json = nlohmann::ordered_json;

Json text(std::string_view pattern) {
  return {{"type", "string"}, {"pattern", pattern}};
}

Json any_of(const std::vector<Json>& choices) {
  return {{"anyOf", choices}};
}

Json list_of(const Json& item) {
  return {{"type", "array"}, {"items", item}, {"minItems", 1}};
}

Json one_or_many(const Json& item) {
  return any_of({item, list_of(item)});
}

/// A number, or its digits in quotes.
Json whole_number(std::int64_t least, std::int64_t most, std::string_view digits) {
  return any_of({{{"type", "integer"}, {"minimum", least}, {"maximum", most}}, text(digits)});
}

Json choice_of(const KeyEntry& key) {
  return {{"type", "string"}, {"enum", key.choices}};
}

/// `a rule` -> `rule`.
std::string definition_name(Mapping mapping) {
  std::string name(entry_of(mapping).name);
  for (const std::string_view article : {"the ", "a ", "an "}) {
    if (name.starts_with(article)) name.erase(0, article.size());
  }
  for (auto& letter : name) letter = letter == ' ' || letter == '-' ? '_' : letter;
  if (mapping == Mapping::kSelector) return "servers_by_labels";
  return name;
}

Json reference(Mapping mapping) {
  return {{"$ref", "#/definitions/" + definition_name(mapping)}};
}

/// One of the steps alone, or as the only key of a mapping.
Json steps(const KeyEntry& key) {
  Json with_options{{"type", "object"},
                    {"additionalProperties", false},
                    {"minProperties", 1},
                    {"maxProperties", 1},
                    {"properties", Json::object()}};
  for (const auto step : key.choices)
    with_options["properties"][std::string(step)] = reference(mapping_of_step(key, step));
  return list_of(any_of({choice_of(key), with_options}));
}

Json simple_value(const KeyEntry& key) {
  const auto pattern = pattern_of(key);
  switch (key.takes) {
    case Takes::kChoice:
      return choice_of(key);
    case Takes::kChoices:
      return one_or_many(choice_of(key));
    case Takes::kFlag:
      return {{"type", "boolean"}};
    case Takes::kNumbers:
      return one_or_many(whole_number(std::numeric_limits<std::int64_t>::min(),
                                      std::numeric_limits<std::int64_t>::max(), pattern));
    case Takes::kTransactions:
    case Takes::kCount:
      return whole_number(key.least, key.most, pattern);
    case Takes::kPatterns:
    case Takes::kRegularExpressions:
    case Takes::kBackendTypes:
    case Takes::kAddresses:
    case Takes::kNames:
    case Takes::kDurations:
    case Takes::kDays:
      return one_or_many(text(pattern));
    default:
      if (pattern.empty()) return {{"type", "string"}, {"minLength", 1}};
      return text(pattern);
  }
}

Json value_of(const KeyEntry& key) {
  switch (key.takes) {
    case Takes::kServers:
      return one_or_many(any_of({text(pattern_of(key)), reference(*key.mapping)}));
    case Takes::kMapping:
      // next to a $ref, validators ignore the description
      return {{"allOf", {reference(*key.mapping)}}};
    case Takes::kMappings:
      return list_of(reference(*key.mapping));
    case Takes::kOneOrManyMappings:
      return one_or_many(reference(*key.mapping));
    case Takes::kCountOrMapping:
      return any_of({whole_number(key.least, key.most, pattern_of(key)), reference(*key.mapping)});
    case Takes::kChoicesOrMappings:
      return list_of(any_of({choice_of(key), reference(*key.mapping)}));
    case Takes::kSteps:
      return steps(key);
    default:
      return simple_value(key);
  }
}

/// What an editor shows beside the key.
std::string description_of(const KeyEntry& key) {
  auto description = fmt::format("{}. Takes {}", key.meaning, values_text_of(key));
  if (const auto range = range_text_of(key); !range.empty()) description += fmt::format(": {}", range);
  description += ".";
  if (!key.fallback.empty()) description += fmt::format(" Default: {}.", key.fallback);
  if (!key.example.empty()) description += fmt::format(" Example: {}", key.example);
  if (description.front() >= 'a' && description.front() <= 'z') {
    description.front() = static_cast<char>(description.front() - 'a' + 'A');
  }
  return description;
}

Json require_one_of(const std::vector<std::string_view>& names) {
  auto choices = Json::array();
  for (const auto name : names) choices.push_back({{"required", {name}}});
  return choices;
}

/// Adds how the keys of one mapping depend on each other.
void add_relations(Mapping mapping, Json& schema) {
  if (mapping == Mapping::kException) {
    std::vector<std::string_view> who;
    for (const auto& key : keys_of(mapping)) {
      if (key.takes != Takes::kDuration) who.push_back(key.name);
    }
    schema["anyOf"] = require_one_of(who);
  }
  if (mapping == Mapping::kAudit) schema["oneOf"] = require_one_of({"file", "table"});
  if (mapping == Mapping::kWindow) schema["anyOf"] = require_one_of({"days", "from", "to"});
  if (mapping == Mapping::kDrain) {
    schema["oneOf"] = require_one_of({"schedule", "at"});
    schema["if"] = {{"properties", {{"gate", {{"const", "pgbouncer"}}}}}, {"required", {"gate"}}};
    schema["then"] = {{"required", {"pgbouncer"}}};
    schema["else"] = {{"not", {{"required", {"pgbouncer"}}}}};
  }
  if (mapping == Mapping::kRule) schema["dependencies"] = {{"per", {"keep"}}, {"victims", {"keep"}}};
}

Json schema_of(Mapping mapping) {
  const auto& entry = entry_of(mapping);
  Json schema{{"description", entry.meaning}, {"type", "object"}, {"minProperties", 1}};
  if (entry.takes_any_key) {
    schema["additionalProperties"] = text(pattern_of({.name = "", .takes = Takes::kPatterns}));
    return schema;
  }
  auto properties = Json::object();
  auto required = Json::array();
  for (const auto& key : keys_of(mapping)) {
    Json property{{"description", description_of(key)}};
    property.update(value_of(key));
    properties[std::string(key.name)] = std::move(property);
    if (key.is_required) required.push_back(key.name);
  }
  schema["additionalProperties"] = false;
  if (!required.empty()) schema["required"] = std::move(required);
  schema["properties"] = std::move(properties);
  add_relations(mapping, schema);
  return schema;
}

/// A file with a key that only main files have is a main file, any other one a drop-in.
void tell_files_apart(Json& schema) {
  std::vector<std::string_view> main_only;
  for (const auto& key : keys_of(Mapping::kMainFile)) {
    bool is_shared = false;
    for (const auto& other : keys_of(Mapping::kDropIn)) is_shared = is_shared || other.name == key.name;
    if (!is_shared) main_only.push_back(key.name);
  }
  auto required = std::move(schema["required"]);
  schema.erase("required");
  schema["if"] = {{"anyOf", require_one_of(main_only)}};
  schema["then"] = {{"required", std::move(required)}};
}

}  // namespace

std::string schema_text() {
  Json schema{{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", "pgcurfew"}};
  schema.update(schema_of(Mapping::kMainFile));
  tell_files_apart(schema);
  schema["description"] = "The main file of pgcurfew, or a file of rules beside it. See pgcurfew.yaml(5).";
  for (const auto& entry : all_mappings()) {
    if (entry.mapping == Mapping::kMainFile || entry.mapping == Mapping::kDropIn) continue;
    schema["definitions"][definition_name(entry.mapping)] = schema_of(entry.mapping);
  }
  return schema.dump(2) + "\n";
}

}  // namespace pgcurfew
