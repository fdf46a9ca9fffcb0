#pragma once

#include <string>
#include <vector>

#include "policy/policy.hpp"

namespace pgcurfew {

/// A window for people, without its time zone: `mon-fri 08:00 to 18:00`, `22:00 to 06:00 on the
/// next day`, `sat-sun`.
std::string text_of(const Window& window);

/// Where, when, how many and how often a rule acts: parts of its sentence, each without the semicolon before
/// it.
std::vector<std::string> circumstances_of(const Rule& rule);

}  // namespace pgcurfew
