#include "cli/schema.hpp"

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "policy/grammar/grammar.hpp"

namespace pgcurfew {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kOneLine = R"(^[^\u0000-\u001f\u007f]+$)";
constexpr std::string_view kDigits = "^(0|[1-9][0-9]*)$";
constexpr std::string_view kSignedDigits = "^-?(0|[1-9][0-9]*)$";
constexpr std::string_view kIdentifier = "^[A-Za-z0-9_.-]{1,63}$";
constexpr std::string_view kAddress = "^(local|[0-9A-Fa-f:.]+(/[0-9]{1,3})?)$";
constexpr std::string_view kTransactions = "^([1-9][0-9]{0,9}|[1-9][0-9]{0,6}k|[1-9][0-9]{0,3}M|[12]G)$";
constexpr std::string_view kPercentage = R"(^0*(100(\.0*)?|[1-9][0-9]?(\.[0-9]*)?)%$)";
constexpr std::string_view kTimeZone = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$";
constexpr std::string_view kDays = "^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?$";

constexpr std::string_view kSchedule = R"(^[ \t]*[0-9A-Za-z*/,-]+([ \t]+[0-9A-Za-z*/,-]+){4}[ \t]*$)";
constexpr std::string_view kMoment =
    "^2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]) ([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$";
/// Not between slashes.
constexpr std::string_view kName = R"(^(?!/.*/$)[^\u0000-\u001f\u007f]+$)";

/// From the largest unit to the smallest, each once, one at least.
std::string duration_pattern() {
  std::string parts;
  for (const auto* unit : {"d", "h", "min", "s", "ms", "us"}) {
    parts += fmt::format(R"(([0-9]{{1,15}}(\.[0-9]{{1,15}})?[ \t]*{}[ \t]*)?)", unit);
  }
  return R"([ \t]*(?=[0-9]))" + parts;
}

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

Json time_of_day(const KeyEntry& key) {
  constexpr std::int64_t kDay = std::int64_t{24} * 3600 * 1'000'000;
  return text(key.most < kDay ? "^([01][0-9]|2[0-3]):[0-5][0-9]$"
                              : "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$");
}

Json simple_value(const KeyEntry& key) {
  switch (key.takes) {
    case Takes::kIdentifier:
      return text(kIdentifier);
    case Takes::kPatterns:
    case Takes::kRegularExpressions:
    case Takes::kBackendTypes:
      return one_or_many(text(kOneLine));
    case Takes::kAddresses:
      return one_or_many(text(kAddress));
    case Takes::kChoice:
      return choice_of(key);
    case Takes::kChoices:
      return one_or_many(choice_of(key));
    case Takes::kQueryIds:
      return one_or_many(whole_number(std::numeric_limits<std::int64_t>::min(),
                                      std::numeric_limits<std::int64_t>::max(), kSignedDigits));
    case Takes::kTransactions:
      return whole_number(key.least, key.most, kTransactions);
    case Takes::kDuration:
      return text("^" + duration_pattern() + "$");
    case Takes::kCount:
      return whole_number(key.least, key.most, kDigits);
    case Takes::kPercentage:
      return text(kPercentage);
    case Takes::kNames:
      return one_or_many(text(kName));
    case Takes::kSchedule:
      return text(kSchedule);
    case Takes::kMoment:
      return text(kMoment);
    case Takes::kDurations:
      return one_or_many(text("^" + duration_pattern() + "$"));
    case Takes::kRate:
      return text("^[0-9]+ per " + duration_pattern() + "$");
    case Takes::kTimeZone:
      return text(kTimeZone);
    case Takes::kTimeOfDay:
      return time_of_day(key);
    case Takes::kDays:
      return one_or_many(text(kDays));
    default:
      return {{"type", "string"}, {"minLength", 1}};
  }
}

Json value_of(const KeyEntry& key) {
  switch (key.takes) {
    case Takes::kServers:
      return one_or_many(any_of({text(kOneLine), reference(*key.mapping)}));
    case Takes::kMapping:
      // beside a $ref of its own the description would not count
      return {{"allOf", {reference(*key.mapping)}}};
    case Takes::kMappings:
      return list_of(reference(*key.mapping));
    case Takes::kOneOrManyMappings:
      return one_or_many(reference(*key.mapping));
    case Takes::kCountOrMapping:
      return any_of({whole_number(key.least, key.most, kDigits), reference(*key.mapping)});
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

/// What keys of one mapping ask of each other.
void add_relations(Mapping mapping, Json& schema) {
  if (mapping == Mapping::kException) {
    std::vector<std::string_view> who;
    for (const auto& key : keys_of(mapping)) {
      if (key.takes != Takes::kDuration) who.push_back(key.name);
    }
    schema["anyOf"] = require_one_of(who);
  }
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
    schema["additionalProperties"] = text(kOneLine);
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

/// A file with one of the main file's own words is a main file, any other one a drop-in.
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
