#include "postgres/guard_facts.hpp"

#include <algorithm>
#include <iterator>

namespace pgcurfew {

namespace {

using Value = std::optional<Bytes>;

Value parameter_of(const Unchanged<ServerTime>& time) {
  if (!time) return std::nullopt;
  return *time ? Bytes(to_bytes(**time)) : Bytes();
}

Value parameter_of(const std::vector<State>& states) {
  std::vector<Bytes> names;
  names.reserve(states.size());
  for (const auto state : states) names.emplace_back(std::string(name_of(state)));
  return Bytes(to_bytes(kTextOid, names));
}

Value parameter_of(const std::vector<TextPattern>& patterns) {
  std::vector<Bytes> likes;
  likes.reserve(patterns.size());
  for (const auto& pattern : patterns) likes.push_back(pattern.as_like());
  return Bytes(to_bytes(kTextOid, likes));
}

/// The name as the guard compares it, which is not always the name itself.
Value description_of(const std::optional<std::string>& database, const NameCache& names) {
  if (!database) return std::nullopt;
  Bytes description;
  for (const auto& entry : names.databases) {
    if (entry.second.name == *database) description = entry.second.description;
  }
  return description;
}

GuardFact time_fact(std::string_view column, Unchanged<ServerTime> Guard::*time) {
  return {column, "{column} IS NOT DISTINCT FROM {p}::pg_catalog.timestamptz",
          [time](const Guard& guard, const NameCache&) { return parameter_of(guard.*time); }};
}

/// What a guard checks of a text. Patterns that the server compares are ASCII. Unchanged is compared by its
/// bytes: a name that a client gave need not be valid in the encoding of our database, and then the server
/// refuses a parameter of type text.
void add_text_facts(std::vector<GuardFact>& facts, Field field) {
  const auto name = entry_of(field).name;
  const auto find = [field](const Guard& guard) {
    const auto found = guard.texts.find(field);
    return found == guard.texts.end() ? nullptr : &found->second;
  };
  const std::string fits =
      "{column} COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.~~) ANY ({p}::pg_catalog.text[])";
  facts.push_back({name, "pg_catalog.textsend({column}) IS NOT DISTINCT FROM {p}::pg_catalog.bytea",
                   [find](const Guard& guard, const NameCache&) {
                     const auto* text = find(guard);
                     return text == nullptr ? Value() : text->unchanged;
                   }});
  facts.push_back({name, fits, [find](const Guard& guard, const NameCache&) {
                     const auto* text = find(guard);
                     return text == nullptr || !text->fits ? Value() : parameter_of(*text->fits);
                   }});
  facts.push_back({name, "(" + fits + ") IS NOT TRUE", [find](const Guard& guard, const NameCache&) {
                     const auto* text = find(guard);
                     return text == nullptr || text->spares.empty() ? Value() : parameter_of(text->spares);
                   }});
}

void add_number_fact(std::vector<GuardFact>& facts, Field field) {
  facts.push_back({entry_of(field).name, "{column} IS NOT DISTINCT FROM {p}::pg_catalog.int8",
                   [field](const Guard& guard, const NameCache&) -> Value {
                     const auto found = guard.numbers.find(field);
                     if (found == guard.numbers.end()) return std::nullopt;
                     return found->second ? Bytes(to_bytes(*found->second)) : Bytes();
                   }});
}

std::vector<GuardFact> made() {
  std::vector<GuardFact> facts{
      time_fact("xact_start", &Guard::xact_start),
      time_fact("query_start", &Guard::query_start),
      time_fact("state_change", &Guard::state_change),
      {"state", "{column} = ANY ({p}::pg_catalog.text[])",
       [](const Guard& guard, const NameCache&) {
         return guard.states ? parameter_of(*guard.states) : std::nullopt;
       }},
      {"state", "({column} = ANY ({p}::pg_catalog.text[])) IS NOT TRUE",
       [](const Guard& guard, const NameCache&) {
         return guard.spared_states.empty() ? std::nullopt : parameter_of(guard.spared_states);
       }},
      // the one way to a database's name that no lock on pg_database can hold up
      {"database",
       "pg_catalog.textsend(pg_catalog.pg_describe_object(1262, s.datid, 0)) = {p}::pg_catalog.bytea",
       [](const Guard& guard, const NameCache& names) { return description_of(guard.database, names); }},
      {"user", "pg_catalog.namesend(pg_catalog.pg_get_userbyid(s.usesysid)) = {p}::pg_catalog.bytea",
       [](const Guard& guard, const NameCache&) { return guard.user ? Value(guard.user) : std::nullopt; }},
      {"xmin_age", "{column} >= {p}::pg_catalog.int8",
       [](const Guard& guard, const NameCache&) {
         return guard.xmin_age ? Value(to_bytes(*guard.xmin_age)) : std::nullopt;
       }},
      {"in_recovery", "pg_catalog.pg_is_in_recovery() = {p}::pg_catalog.bool",
       [](const Guard& guard, const NameCache&) {
         return guard.in_recovery ? Value(to_bytes(*guard.in_recovery)) : std::nullopt;
       }},
      {"no_lock_wait", "(s.wait_event_type = 'Lock') IS DISTINCT FROM {p}::pg_catalog.bool",
       [](const Guard& guard, const NameCache&) {
         return guard.may_not_wait_for_lock ? Value(to_bytes(true)) : std::nullopt;
       }},
  };
  for (const auto& entry : all_fields()) {
    if (is_guarded_text(entry.field)) add_text_facts(facts, entry.field);
    if (is_guarded_number(entry.field)) add_number_fact(facts, entry.field);
  }
  return facts;
}

}  // namespace

const std::vector<GuardFact>& guard_facts() {
  static const auto kFacts = made();
  return kFacts;
}

int guard_bit(std::size_t index) {
  return 1 << index;
}

int guard_bits(std::initializer_list<std::string_view> names) {
  int bits = 0;
  const auto& facts = guard_facts();
  for (std::size_t i = 0; i < facts.size(); ++i) {
    if (std::find(names.begin(), names.end(), facts[i].name) != names.end()) bits |= guard_bit(i);
  }
  return bits;
}

}  // namespace pgcurfew
