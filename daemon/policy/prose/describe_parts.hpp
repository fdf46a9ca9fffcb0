#pragma once

#include <string>
#include <vector>

#include "policy/policy.hpp"

namespace pgcurfew {

/// A window for display, without its time zone: `mon-fri 08:00 to 18:00`, `22:00 to 06:00 on the next day`,
/// `sat-sun`.
std::string text_of(const Window& window);

/// The parts of a rule's sentence that say where, when, on how many and how often it acts, each without the
/// semicolon before it.
std::vector<std::string> circumstances_of(const Rule& rule);

}  // namespace pgcurfew
