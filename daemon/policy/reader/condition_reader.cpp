#include "policy/reader/condition_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/condition.hpp"
#include "policy/reader/backend_type.hpp"
#include "policy/reader/values.hpp"

namespace pgcurfew {

namespace {

std::optional<BackendTypeTest> read_backend_types(const std::vector<const YamlNode*>& nodes,
                                                  bool may_be_victim, Complaints& complaints) {
  BackendTypeTest test;
  for (const auto* node : nodes) {
    const auto text = read_text(*node, "backend_type", complaints);
    if (!text) continue;
    test.any_of.push_back(*text);
    const auto verdict = judge_backend_type(*text);
    if (verdict.kind == BackendTypeVerdict::Kind::kUnknown) {
      auto hint = backend_type_hint(*text);
      if (hint.empty()) hint = "It matches only if an extension registers that very name.";
      complaints.warn(node->at,
                      fmt::format("backend_type \"{}\" is not one of PostgreSQL's", printable(*text, 80)),
                      std::move(hint));
    }
    if (verdict.kind == BackendTypeVerdict::Kind::kRefused && may_be_victim) {
      complaints.error(node->at, fmt::format("no rule can apply to backend_type \"{}\"", *text),
                       std::string(verdict.reason));
    }
  }
  if (test.any_of.size() != nodes.size() || nodes.empty()) return std::nullopt;
  return test;
}

std::optional<StateTest> read_states(const std::vector<const YamlNode*>& nodes, Complaints& complaints) {
  StateTest test;
  for (const auto* node : nodes) {
    const auto index = read_choice(*node, key_of(Mapping::kMatch, "state"), complaints);
    if (index) test.any_of.push_back(state_of(all_state_names()[*index]));
  }
  if (test.any_of.size() != nodes.size() || nodes.empty()) return std::nullopt;
  return test;
}

/// A signed 64-bit integer in plain decimal notation only: YAML 1.1 would read 010 as eight.
std::optional<std::int64_t> parse_number(std::string_view text) {
  const auto digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || (digits.front() == '0' && digits.size() > 1)) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<NumbersTest> read_numbers(const std::vector<const YamlNode*>& nodes, const FieldEntry& field,
                                        Complaints& complaints) {
  NumbersTest test;
  for (const auto* node : nodes) {
    const auto text = read_plain(*node, field.name, complaints);
    if (!text) continue;
    if (const auto value = parse_number(*text)) {
      test.any_of.push_back(*value);
    } else {
      complaints.error(node->at, fmt::format("\"{}\" is not a {}", printable(*text, 80), field.name),
                       "It is a signed 64-bit integer, in decimal, without leading zeros.");
    }
  }
  if (test.any_of.size() != nodes.size() || nodes.empty()) return std::nullopt;
  return test;
}

std::optional<AddressTest> read_addresses(const std::vector<const YamlNode*>& nodes, const FieldEntry& field,
                                          Complaints& complaints) {
  AddressTest test;
  for (const auto* node : nodes) {
    const auto text = read_plain(*node, field.name, complaints);
    if (!text) continue;
    auto pattern = AddressPattern::parse(*text);
    if (pattern) {
      test.any_of.push_back(std::move(*pattern));
    } else {
      complaints.error(node->at, pattern.error());
    }
  }
  if (test.any_of.size() != nodes.size() || nodes.empty()) return std::nullopt;
  return test;
}

std::optional<TextTest> read_patterns(const std::vector<const YamlNode*>& nodes, const FieldEntry& entry,
                                      Complaints& complaints) {
  TextTest test;
  for (const auto* node : nodes) {
    const auto text = read_text(*node, entry.name, complaints);
    if (!text) continue;
    auto pattern = entry.kind == ValueKind::kRegularExpressions ? TextPattern::parse_regular_expression(*text)
                                                                : TextPattern::parse(*text);
    if (pattern) {
      test.any_of.push_back(std::move(*pattern));
    } else {
      complaints.error(node->at, pattern.error());
    }
  }
  if (test.any_of.size() != nodes.size() || nodes.empty()) return std::nullopt;
  return test;
}

/// `50M`, `200000`. A number that is far out of range is treated as out of range.
std::optional<std::int64_t> parse_transactions(std::string_view text) {
  std::int64_t factor = 1;
  if (text.ends_with('k')) factor = 1'000;
  if (text.ends_with('M')) factor = 1'000'000;
  if (text.ends_with('G')) factor = 1'000'000'000;
  if (factor > 1) text.remove_suffix(1);
  const bool is_number = !text.empty() && text.front() != '0' &&
                         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  return error != std::errc() || number > kMost / factor ? kMost : number * factor;
}

std::optional<XminAgeTest> read_transactions(const YamlNode& node, const FieldEntry& field,
                                             Complaints& complaints) {
  const auto text = read_plain(node, field.name, complaints);
  if (!text) return std::nullopt;
  const auto& key = key_of(Mapping::kMatch, field.name);
  const auto number = parse_transactions(*text);
  if (!number) {
    complaints.error(node.at, fmt::format("\"{}\" is not a number of transactions", printable(*text, 80)),
                     "It is a whole number, optionally with k, M or G for a thousand, a million or a "
                     "thousand million, as in 50M.");
    return std::nullopt;
  }
  if (*number < key.least || *number > key.most) {
    complaints.error(node.at, fmt::format("\"{}\" of {} is out of range", field.name, printable(*text, 80)),
                     fmt::format("It takes {}.", range_text_of(key)));
    return std::nullopt;
  }
  return XminAgeTest{*number};
}

template <class Test>
std::optional<Condition> made(const FieldEntry& field, std::optional<Test> test, Place place) {
  if (!test) return std::nullopt;
  return condition_of(field.field, std::move(*test), std::move(place));
}

}  // namespace

std::optional<Condition> read_condition(const FieldEntry& field, const YamlNode& value, Place place,
                                        bool may_be_victim, Complaints& complaints) {
  if (field.kind == ValueKind::kTransactions) {
    return made(field, read_transactions(value, field, complaints), std::move(place));
  }
  const auto nodes = one_or_many(value, field.name, complaints);
  switch (field.kind) {
    case ValueKind::kPatterns:
    case ValueKind::kRegularExpressions:
      return made(field, read_patterns(nodes, field, complaints), std::move(place));
    case ValueKind::kAddresses:
      return made(field, read_addresses(nodes, field, complaints), std::move(place));
    case ValueKind::kBackendTypes:
      return made(field, read_backend_types(nodes, may_be_victim, complaints), std::move(place));
    case ValueKind::kStates:
      return made(field, read_states(nodes, complaints), std::move(place));
    case ValueKind::kNumbers:
      return made(field, read_numbers(nodes, field, complaints), std::move(place));
    case ValueKind::kTransactions:
    case ValueKind::kBlocks:
    case ValueKind::kAge:
      break;
  }
  return std::nullopt;
}

}  // namespace pgcurfew
