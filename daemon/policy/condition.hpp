#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "policy/policy.hpp"

namespace pgcurfew {

/// The values of a condition, each as the file has it.
std::vector<std::string> values_of(const Condition& condition);

/// The values of a condition for display: `app, app_*`.
std::string written_text_of(const Condition& condition);

/// A condition of a test, with its values as findings show them.
template <class Test>
Condition condition_of(Field field, Test test, Place place = {}) {
  Condition condition{field, std::move(test), {}, std::move(place)};
  condition.written = written_text_of(condition);
  return condition;
}

/// `50M`, `1500k`, `200001`.
std::string transactions_text_of(std::int64_t transactions);

/// Conditions in order of their cost to evaluate, ages finest clock first.
void sort_by_cost(Match& match);

/// The condition of a match on a field, null if it has none.
const Condition* find_condition(const Match& match, Field field);

/// The state condition of a match, null if it has none.
const StateTest* states_of(const Match& match);

/// The condition `backend_type: client backend` that a rule has unless it names another.
Condition client_backend_condition(Place place);

/// Whether a condition is the one of client_backend_condition().
bool is_client_backend(const Condition& condition);

}  // namespace pgcurfew
