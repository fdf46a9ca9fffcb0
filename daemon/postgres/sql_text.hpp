#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pgcurfew::sql {

/// A name in double quotes.
std::string quoted_name(std::string_view name);

/// A literal that has the same value for either setting of standard_conforming_strings.
std::string literal(std::string_view text);

/// Statements that create a role with nothing but the right to log in, unless there is one of this name. They
/// have to be within a transaction.
std::string create_role(std::string_view name);

/// Quoted so that a shell reads it as one word.
std::string shell_word(std::string_view text);

/// *Errors*: a name that PostgreSQL would cut or refuse. `what` is in the message.
Result<void> check_name(std::string_view what, std::string_view name);

}  // namespace pgcurfew::sql
