#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "policy/yaml/complaints.hpp"

namespace pgcurfew {

/// Whether a file's bytes can be given to the YAML parser: at most 1 MiB of UTF-8 without control characters.
/// *Errors*: the first such byte, or the size, in `complaints`.
bool check_bytes(Complaints& complaints);

/// Length of the quoted text at the front, quotes included; empty if there is none or it is not closed.
std::optional<std::size_t> length_of_quoted(std::string_view written);

/// Where the last text before a place ends, skipping blanks and line ends.
PlaceInText end_of_text_before(const Complaints& complaints, PlaceInText at);

/// What YAML 1.1 would take a text without quotes for: "a truth value", "a number", or empty for a text.
std::optional<std::string_view> guessed_type(std::string_view plain);

}  // namespace pgcurfew
