#pragma once

#include <string>
#include <vector>

#include "policy/policy.hpp"

namespace pgcurfew {

/// The values of a condition, each as the file has it.
std::vector<std::string> values_of(const Condition& condition);

/// The values of a condition for people: `app, app_*`.
std::string written_text_of(const Condition& condition);

/// Conditions in order of their cost to evaluate, ages finest clock first.
void sort_by_cost(Match& match);

/// The state condition of a match, null if it has none.
const StateTest* states_of(const Match& match);

/// The condition `backend_type: client backend` that a rule has unless it names another.
Condition client_backend_condition(Place place);

/// Whether a condition is that one.
bool is_client_backend(const Condition& condition);

}  // namespace pgcurfew
