#include "policy/match_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/words.hpp"
#include "policy/backend_type.hpp"
#include "policy/condition.hpp"
#include "policy/values.hpp"

namespace pgcurfew {

namespace {

constexpr std::array<Synonym, 38> kFieldSynonyms{{
    {"datname", "database"},
    {"db", "database"},
    {"dbname", "database"},
    {"databases", "database"},
    {"usename", "user"},
    {"username", "user"},
    {"role", "user"},
    {"users", "user"},
    {"application", "application_name"},
    {"app", "application_name"},
    {"app_name", "application_name"},
    {"client", "client_addr"},
    {"client_ip", "client_addr"},
    {"address", "client_addr"},
    {"ip", "client_addr"},
    {"host", "client_addr"},
    {"sql", "query"},
    {"query_text", "query"},
    {"queryid", "query_id"},
    {"wait", "wait_event"},
    {"older_than", "query_age"},
    {"longer_than", "query_age"},
    {"age", "query_age"},
    {"duration", "query_age"},
    {"runtime", "query_age"},
    {"query_start", "query_age"},
    {"query_duration", "query_age"},
    {"xact_age", "transaction_age"},
    {"xact_start", "transaction_age"},
    {"tx_age", "transaction_age"},
    {"txn_age", "transaction_age"},
    {"idle", "state_age"},
    {"idle_age", "state_age"},
    {"idle_for", "state_age"},
    {"state_change", "state_age"},
    {"backend_age", "session_age"},
    {"backend_start", "session_age"},
    {"connection_age", "session_age"},
}};

constexpr std::array<Synonym, 9> kStateSynonyms{{
    {"running", "active"},
    {"in transaction", "idle in transaction"},
    {"idle in tx", "idle in transaction"},
    {"idle_in_tx", "idle in transaction"},
    {"aborted", "idle in transaction (aborted)"},
    {"idle in transaction aborted", "idle in transaction (aborted)"},
    {"idle_in_transaction_aborted", "idle in transaction (aborted)"},
    {"fastpath", "fastpath function call"},
    {"sleeping", "idle"},
}};

constexpr std::string_view kMatchExample = "Conditions are written as in { database: app, state: active }.";

std::string_view owner_text(MatchOwner owner) {
  switch (owner) {
    case MatchOwner::kRule:
      return "match";
    case MatchOwner::kException:
      return "except";
    case MatchOwner::kProtect:
      break;
  }
  return "protect";
}

std::optional<BackendTypeTest> read_backend_types(const std::vector<const YamlNode*>& nodes, MatchOwner owner,
                                                  Complaints& complaints) {
  BackendTypeTest test;
  for (const auto* node : nodes) {
    const auto text = read_text(*node, "backend_type", complaints);
    if (!text) continue;
    test.any_of.push_back(*text);
    const auto verdict = judge_backend_type(*text);
    if (verdict.kind == BackendTypeVerdict::Kind::kUnknown) {
      auto hint = backend_type_hint(*text);
      if (hint.empty()) hint = "It matches only if an extension registers that very name.";
      complaints.warn(node->mark,
                      fmt::format("backend_type \"{}\" is not one of PostgreSQL's", printable(*text, 80)),
                      std::move(hint));
    }
    if (verdict.kind == BackendTypeVerdict::Kind::kRefused && owner == MatchOwner::kRule) {
      complaints.error(node->mark, fmt::format("no rule can be for backend_type \"{}\"", *text),
                       std::string(verdict.reason));
    }
  }
  if (test.any_of.size() != nodes.size() || nodes.empty()) return std::nullopt;
  return test;
}

std::optional<StateTest> read_states(const std::vector<const YamlNode*>& nodes, Complaints& complaints) {
  StateTest test;
  for (const auto* node : nodes) {
    const auto index = read_choice(*node, "state", all_state_names(), kStateSynonyms, complaints);
    if (index) test.any_of.push_back(state_of(all_state_names()[*index]));
  }
  if (test.any_of.size() != nodes.size() || nodes.empty()) return std::nullopt;
  return test;
}

/// A signed 64-bit number, and only as people write one: YAML 1.1 would read 010 as eight.
std::optional<std::int64_t> parse_query_id(std::string_view text) {
  const auto digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || (digits.front() == '0' && digits.size() > 1)) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<QueryIdTest> read_query_ids(const std::vector<const YamlNode*>& nodes, Complaints& complaints) {
  QueryIdTest test;
  for (const auto* node : nodes) {
    const auto text = read_plain(*node, "query_id", complaints);
    if (!text) continue;
    if (const auto value = parse_query_id(*text)) {
      test.any_of.push_back(*value);
    } else {
      complaints.error(node->mark, fmt::format("\"{}\" is not a query_id", printable(*text, 80)),
                       "It is a whole number of 64 bits with its sign, in decimal, without leading zeros.");
    }
  }
  if (test.any_of.size() != nodes.size() || nodes.empty()) return std::nullopt;
  return test;
}

std::optional<AddressTest> read_addresses(const std::vector<const YamlNode*>& nodes, Complaints& complaints) {
  AddressTest test;
  for (const auto* node : nodes) {
    const auto text = read_plain(*node, "client_addr", complaints);
    if (!text) continue;
    auto pattern = AddressPattern::parse(*text);
    if (pattern) {
      test.any_of.push_back(std::move(*pattern));
    } else {
      complaints.error(node->mark, pattern.error());
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
      complaints.error(node->mark, pattern.error());
    }
  }
  if (test.any_of.size() != nodes.size() || nodes.empty()) return std::nullopt;
  return test;
}

template <class Test>
void add_condition(Match& match, Field field, Place place, std::optional<Test> test) {
  if (!test) return;
  Condition condition{field, std::move(*test), {}, std::move(place)};
  condition.written = written_text_of(condition);
  match.conditions.push_back(std::move(condition));
}

void read_condition(const FieldEntry& entry, const YamlNode& value, Place place, MatchOwner owner,
                    Match& match, Complaints& complaints) {
  const auto nodes = one_or_many(value, entry.name, complaints);
  switch (entry.kind) {
    case ValueKind::kPatterns:
    case ValueKind::kRegularExpressions:
      return add_condition(match, entry.field, std::move(place), read_patterns(nodes, entry, complaints));
    case ValueKind::kAddresses:
      return add_condition(match, entry.field, std::move(place), read_addresses(nodes, complaints));
    case ValueKind::kBackendTypes:
      return add_condition(match, entry.field, std::move(place),
                           read_backend_types(nodes, owner, complaints));
    case ValueKind::kStates:
      return add_condition(match, entry.field, std::move(place), read_states(nodes, complaints));
    case ValueKind::kNumbers:
      return add_condition(match, entry.field, std::move(place), read_query_ids(nodes, complaints));
    case ValueKind::kTransactions:
    case ValueKind::kBlocks:
    case ValueKind::kAge:
      break;
  }
}

void read_age(const FieldEntry& entry, const YamlNode& value, Mark key, MatchOwner owner, Match& match,
              Complaints& complaints) {
  if (owner == MatchOwner::kProtect) {
    complaints.error(key, fmt::format("protect takes no {}", entry.name),
                     "Who is protected is so at any age; a later limit belongs in a rule's except.");
    return;
  }
  const auto limit = read_duration(value, entry.name, complaints);
  if (!limit) return;
  if (*limit == Duration::zero()) {
    complaints.error(value.mark, fmt::format("\"{}\" must be longer than 0", entry.name));
    return;
  }
  match.ages.push_back({*clock_of(entry.field), *limit, complaints.place(key)});
}

std::vector<std::string_view> field_names(MatchOwner owner) {
  std::vector<std::string_view> names;
  for (const auto& entry : all_fields()) {
    if (owner != MatchOwner::kProtect || entry.kind != ValueKind::kAge) names.push_back(entry.name);
  }
  return names;
}

}  // namespace

std::optional<ReadMatch> read_match(const YamlNode& node, MatchOwner owner, Complaints& complaints) {
  if (!expect_map(node, owner_text(owner), kMatchExample, complaints)) return std::nullopt;
  ReadMatch read;
  read.match.place = complaints.place(node.mark);
  bool has_condition = false;
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const auto& key = node.keys[i];
    const auto field = field_of(key.text);
    if (!field) {
      const auto names = field_names(owner);
      auto hint = did_you_mean(key.text, names, kFieldSynonyms);
      if (hint.empty()) hint = fmt::format("Known here: {}.", fmt::join(names, ", "));
      complaints.error(key.mark,
                       fmt::format("unknown key \"{}\" in {}", printable(key.text, 80), owner_text(owner)),
                       std::move(hint));
      has_condition = true;  // one was meant
      continue;
    }
    const auto& entry = entry_of(*field);
    read.named.emplace(*field, key.mark);
    if (entry.kind == ValueKind::kAge) {
      read_age(entry, node.values[i], key.mark, owner, read.match, complaints);
    } else {
      has_condition = true;
      read_condition(entry, node.values[i], complaints.place(key.mark), owner, read.match, complaints);
    }
  }
  if (!has_condition && owner == MatchOwner::kException) {
    complaints.error(node.mark, "an exception has ages but does not say for whom",
                     "It would move the limit for every session: change the rule's own age instead.");
  }
  if (owner == MatchOwner::kRule && !read.named.contains(Field::kBackendType)) {
    read.match.conditions.push_back(client_backend_condition(read.match.place));
  }
  sort_by_cost(read.match);
  return read;
}

}  // namespace pgcurfew
