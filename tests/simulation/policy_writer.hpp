#pragma once

#include <memory>
#include <string>
#include <vector>

#include "policy/policy.hpp"
#include "simulation/random.hpp"

namespace pgcurfew::simulation {

/// How a random policy shall be.
struct PolicyWish {
  Duration pace{};         ///< limits are around it
  bool is_tight = false;   ///< with bounds that the breaker will meet
  bool is_strict = false;  ///< so tight that a breaker stays open for long, once it is
  bool is_dry = false;     ///< the whole file in dry-run
  // which parts of the language it uses
  double locks = 0;  ///< of statements that take a lock; 0: a world without locks, and no rule on them
  bool has_xmin = false;
  bool has_selection = false;
  bool has_when = false;
  bool has_hours = false;
  bool has_repeat = false;
  bool unprotects = false;
  Duration offset{};  ///< of the server's clock, so that windows can lie around the world's time of day
};

/// Few parts of the language in most worlds.
PolicyWish draw_wish(Random& random);

/// The names of the parts of the language that a wish can be made to have.
const std::vector<std::string>& part_names();
void use_part(PolicyWish& wish, const std::string& part);

/// How long a world lasts, until it is healed.
Duration length_of_world(Duration pace);

/// The text of a main file, legal and random.
std::string write_policy(const PolicyWish& wish, Random& random);

/// Bounds and rules to stand beside drains: of sessions alone, neither of locks nor of the server.
std::string write_rules(Random& random);

/// Through the production loader. Throws std::logic_error with its diagnostics if it refuses.
std::shared_ptr<const Policy> load_text(const std::string& text);

/// The names that sessions and policies of the model have.
const std::vector<std::string>& user_names();
const std::vector<std::string>& database_names();
const std::vector<std::string>& application_names();
const std::vector<std::string>& query_texts();
/// Statements that stand in no transaction with others.
const std::vector<std::string>& lone_texts();

}  // namespace pgcurfew::simulation
