#pragma once

#include <string>
#include <vector>

#include "policy/policy.hpp"

namespace pgcurfew {

/// What a rule will do, as one plain sentence: "app-query-timeout: cancels a query in database app or app_*
/// that runs for 10min or longer; terminates the session 30s later if it is still the same query; not for
/// user etl before 2h; not for application_name nightly-*."
std::string sentence_of(const Rule& rule);

/// What a match says, without the ages: `database app or app_*, state active`.
std::string phrase_of(const Match& match);

}  // namespace pgcurfew
