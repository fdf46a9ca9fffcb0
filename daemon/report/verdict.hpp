#pragma once

#include <string>
#include <vector>

#include "report/summary.hpp"

namespace pgcurfew {

/// What a rule or drain has done, or in a dry run would have done, in sentences. They have no name that a
/// client can choose.
std::vector<std::string> verdict_of(const RuleSummary& rule);

/// `rule limit`, `drain nightly`; the name as it is.
std::string title_of(const RuleSummary& rule);

/// `query_age 10min`, the limit of its latest decision; empty if that has none.
std::string limit_of(const RuleSummary& rule);

/// Seconds as a duration for readers: `12min 4s`.
std::string rough_text(double seconds);

}  // namespace pgcurfew
