#include "cli/log_schema.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "events/catalogue.hpp"

namespace pgcurfew {

namespace {

using Json = nlohmann::ordered_json;

Json type_of(FieldType type) {
  switch (type) {
    case FieldType::kInteger:
      return {{"type", "integer"}};
    case FieldType::kReal:
    case FieldType::kDuration:
      return {{"type", "number"}};
    case FieldType::kFlag:
      return {{"type", "boolean"}};
    case FieldType::kTime:
      return {{"type", "string"}, {"format", "date-time"}};
    case FieldType::kText:
    case FieldType::kQuery:
      break;
  }
  return {{"type", "string"}};
}

Json schema_of(const KindEntry& kind) {
  auto levels = Json::array({name_of(kind.level)});
  for (const auto& level : kind.other_levels) {
    if (level) levels.push_back(name_of(*level));
  }
  Json schema{{"description", fmt::format("{}. MESSAGE_ID {}.", kind.meaning, kind.message_id)},
              {"type", "object"},
              {"additionalProperties", false},
              {"required", {"ts", "level", "event", "message", "id"}}};
  auto& properties = schema["properties"];
  properties["ts"] = type_of(FieldType::kTime);
  properties["level"] = {{"enum", levels}};
  properties["event"] = {{"const", kind.name}};
  properties["message"] = type_of(FieldType::kText);
  properties["server"] = type_of(FieldType::kText);
  for (const auto& field : kind.fields) properties[std::string(field.name)] = type_of(field.type);
  properties["id"] = type_of(FieldType::kText);
  properties["server_time"] = type_of(FieldType::kTime);
  return schema;
}

}  // namespace

std::string log_schema_text() {
  Json schema{
      {"$schema", "http://json-schema.org/draft-07/schema#"},
      {"title", "pgcurfew's log"},
      {"description", "A line of what pgcurfew run writes with --log-format json. See pgcurfew-log(5)."}};
  for (const auto& kind : all_kinds()) {
    schema["oneOf"].push_back({{"$ref", fmt::format("#/definitions/{}", kind.name)}});
    schema["definitions"][std::string(kind.name)] = schema_of(kind);
  }
  return schema.dump(2) + "\n";
}

}  // namespace pgcurfew
