#pragma once

#include <memory>
#include <string>
#include <vector>

#include "policy/policy.hpp"
#include "simulation/random.hpp"

namespace pgcurfew::simulation {

/// Properties of a random policy.
struct PolicyWish {
  Duration pace{};         ///< limits are close to it
  bool is_tight = false;   ///< with bounds that will open the breaker
  bool is_strict = false;  ///< so tight that an open breaker stays open for long
  bool is_dry = false;     ///< the whole file in dry-run
  // which parts of the language it uses
  double locks = 0;  ///< of statements that take a lock; 0: a world without locks, and no rule on them
  bool has_xmin = false;
  bool has_selection = false;
  bool has_when = false;
  bool has_hours = false;
  bool has_repeat = false;
  bool unprotects = false;
  Duration offset{};  ///< of the server's clock, so that windows can be close to the world's time of day
};

/// Draws few parts of the language in most worlds.
PolicyWish draw_wish(Random& random);

/// The names of the parts of the language that use_part() takes.
const std::vector<std::string>& part_names();
void use_part(PolicyWish& wish, const std::string& part);

/// How long a world lasts until it heals.
Duration length_of_world(Duration pace);

/// The text of a random valid main file.
std::string write_policy(const PolicyWish& wish, Random& random);

/// Bounds and rules beside drains, with conditions only on sessions, not on locks or the server.
std::string write_rules(Random& random);

/// The part of a main file that requires the record.
inline constexpr const char* kRequiredRecord = "record: { required: true }\n";

/// Loads a policy with the production loader. Throws std::logic_error with its diagnostics if there are
/// errors.
std::shared_ptr<const Policy> load_text(const std::string& text);

/// The names used by sessions and policies of the model.
const std::vector<std::string>& user_names();
const std::vector<std::string>& database_names();
const std::vector<std::string>& application_names();
const std::vector<std::string>& query_texts();
/// Statements that are never in a transaction with others.
const std::vector<std::string>& lone_texts();

}  // namespace pgcurfew::simulation
