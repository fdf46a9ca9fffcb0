#include <chrono>
#include <vector>

#include "policy/field.hpp"
#include "policy/grammar/tables.hpp"
#include "policy/grammar/words.hpp"
#include "policy/policy.hpp"

namespace pgcurfew::grammar {

namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMostTransactions = 2'147'483'647;

constexpr KeyEntry kWaiters{.name = "sessions",
                            .takes = Takes::kCount,
                            .meaning = "minimum number of such sessions",
                            .fallback = "1",
                            .example = "3",
                            .least = 1,
                            .most = kMostWaiters};

Takes takes_of(ValueKind kind) {
  switch (kind) {
    case ValueKind::kPatterns:
      return Takes::kPatterns;
    case ValueKind::kRegularExpressions:
      return Takes::kRegularExpressions;
    case ValueKind::kAddresses:
      return Takes::kAddresses;
    case ValueKind::kBackendTypes:
      return Takes::kBackendTypes;
    case ValueKind::kStates:
      return Takes::kChoices;
    case ValueKind::kNumbers:
      return Takes::kNumbers;
    case ValueKind::kTransactions:
      return Takes::kTransactions;
    case ValueKind::kBlocks:
      return Takes::kCountOrMapping;
    case ValueKind::kAge:
      break;
  }
  return Takes::kDuration;
}

KeyEntry key_of_field(const FieldEntry& field) {
  KeyEntry key;
  key.name = field.name;
  key.takes = takes_of(field.kind);
  key.meaning = field.meaning;
  key.example = field.example;
  if (key.takes == Takes::kChoices) {
    key.choices = all_state_names();
    key.synonyms = words::kStates;
  }
  if (key.takes == Takes::kBackendTypes) key.synonyms = words::kBackendTypes;
  if (key.takes == Takes::kCountOrMapping) key.mapping = Mapping::kBlocks;
  if (field.kind == ValueKind::kAge) key.most = kLongest;
  if (key.takes == Takes::kTransactions) key.most = kMostTransactions;
  if (key.takes == Takes::kCountOrMapping) key.most = kMostWaiters;
  if (key.most > 0) key.least = 1;
  return key;
}

/// Fields that say which session it is and what it does, but not how old or how harmful it is.
bool describes_a_session(const FieldEntry& field) {
  return field.kind != ValueKind::kAge && field.kind != ValueKind::kBlocks &&
         field.kind != ValueKind::kTransactions;
}

template <class Fits>
std::vector<KeyEntry> keys_of_fields(Fits fits) {
  std::vector<KeyEntry> keys;
  for (const auto& field : all_fields()) {
    if (fits(field)) keys.push_back(key_of_field(field));
  }
  return keys;
}

std::vector<KeyEntry> match_keys() {
  auto keys = keys_of_fields([](const FieldEntry&) { return true; });
  for (auto& key : keys) {
    if (key.name == "backend_type") key.fallback = "client backend";
  }
  return keys;
}

std::vector<KeyEntry> blocks_keys() {
  auto keys = keys_of_fields([](const FieldEntry& field) {
    return describes_a_session(field) || field.field == Field::kBlockedFor;
  });
  keys.insert(keys.begin(), kWaiters);
  return keys;
}

}  // namespace

std::span<const KeyEntry> match() {
  static const auto kAll = match_keys();
  return kAll;
}
std::span<const KeyEntry> blocks() {
  static const auto kAll = blocks_keys();
  return kAll;
}
std::span<const KeyEntry> exception() {
  static const auto kAll = keys_of_fields(
      [](const FieldEntry& field) { return describes_a_session(field) || field.kind == ValueKind::kAge; });
  return kAll;
}
std::span<const KeyEntry> drain_exception() {
  return protection();
}
std::span<const KeyEntry> protection() {
  static const auto kAll = keys_of_fields(describes_a_session);
  return kAll;
}

}  // namespace pgcurfew::grammar
