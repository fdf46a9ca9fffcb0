#pragma once

#include <memory>
#include <string>
#include <vector>

#include "policy/policy.hpp"
#include "simulation/random.hpp"

namespace pgcurfew::simulation {

/// How a random policy shall be.
struct PolicyWish {
  Duration pace{};        ///< limits are around it
  bool is_tight = false;  ///< with bounds that the breaker will meet
  bool is_dry = false;    ///< the whole file in dry-run
};

PolicyWish draw_wish(Random& random);

/// The text of a main file, legal and random.
std::string write_policy(const PolicyWish& wish, Random& random);

/// Through the production loader. Throws std::logic_error with its diagnostics if it refuses.
std::shared_ptr<const Policy> load_text(const std::string& text);

/// The names that sessions and policies of the model have.
const std::vector<std::string>& user_names();
const std::vector<std::string>& database_names();
const std::vector<std::string>& application_names();
const std::vector<std::string>& query_texts();

}  // namespace pgcurfew::simulation
