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

Value parameter_of(const Unchanged<std::int64_t>& number) {
  if (!number) return std::nullopt;
  return *number ? Bytes(to_bytes(**number)) : Bytes();
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
  return {column, "s." + std::string(column) + " IS NOT DISTINCT FROM {p}::pg_catalog.timestamptz",
          [time](const Guard& guard, const NameCache&) { return parameter_of(guard.*time); }};
}

/// That a text is letter for letter what was read. By its bytes: what strangers gave a name need not be text
/// in the encoding of our database, and the server refuses a parameter of type text that is none.
std::string is_same_text(std::string_view text) {
  return "pg_catalog.textsend(" + std::string(text) + ") IS NOT DISTINCT FROM {p}::pg_catalog.bytea";
}

/// What a guard holds of a text. Patterns that the server compares are ASCII.
std::vector<GuardFact> text_facts(std::string_view column, TextGuard Guard::*text) {
  const auto s_column = "s." + std::string(column);
  const auto fits =
      s_column + " COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.~~) ANY ({p}::pg_catalog.text[])";
  return {{column, is_same_text(s_column),
           [text](const Guard& guard, const NameCache&) { return (guard.*text).unchanged; }},
          {column, fits,
           [text](const Guard& guard, const NameCache&) {
             const auto& patterns = (guard.*text).fits;
             return patterns ? parameter_of(*patterns) : std::nullopt;
           }},
          {column, "(" + fits + ") IS NOT TRUE", [text](const Guard& guard, const NameCache&) {
             const auto& patterns = (guard.*text).spares;
             return patterns.empty() ? std::nullopt : parameter_of(patterns);
           }}};
}

std::vector<GuardFact> made() {
  std::vector<GuardFact> facts{
      time_fact("xact_start", &Guard::xact_start),
      time_fact("query_start", &Guard::query_start),
      time_fact("state_change", &Guard::state_change),
      {"state", "s.state = ANY ({p}::pg_catalog.text[])",
       [](const Guard& guard, const NameCache&) {
         return guard.states ? parameter_of(*guard.states) : std::nullopt;
       }},
      {"state", "(s.state = ANY ({p}::pg_catalog.text[])) IS NOT TRUE",
       [](const Guard& guard, const NameCache&) {
         return guard.spared_states.empty() ? std::nullopt : parameter_of(guard.spared_states);
       }},
      {"query_id", "{query_id} IS NOT DISTINCT FROM {p}::pg_catalog.int8",
       [](const Guard& guard, const NameCache&) { return parameter_of(guard.query_id); }},
      // the one way to a database's name that no lock on pg_database can hold up
      {"database",
       "pg_catalog.textsend(pg_catalog.pg_describe_object(1262, s.datid, 0)) = {p}::pg_catalog.bytea",
       [](const Guard& guard, const NameCache& names) { return description_of(guard.database, names); }},
      {"user", "pg_catalog.namesend(pg_catalog.pg_get_userbyid(s.usesysid)) = {p}::pg_catalog.bytea",
       [](const Guard& guard, const NameCache&) { return guard.user ? Value(guard.user) : std::nullopt; }},
      {"xmin_age",
       "greatest(pg_catalog.age(s.backend_xid), pg_catalog.age(s.backend_xmin)) >= {p}::pg_catalog.int8",
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
  for (auto& of_text :
       {text_facts("wait_event_type", &Guard::wait_event_type), text_facts("wait_event", &Guard::wait_event),
        text_facts("application_name", &Guard::application_name)}) {
    facts.insert(facts.end(), of_text.begin(), of_text.end());
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
