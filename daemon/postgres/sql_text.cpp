#include "postgres/sql_text.hpp"

#include <fmt/format.h>

#include "base/words.hpp"

namespace pgcurfew::sql {

namespace {

constexpr std::size_t kLongestName = 63;

std::string doubled(std::string_view text, char sign) {
  std::string result;
  for (const char c : text) {
    result += c;
    if (c == sign) result += c;
  }
  return result;
}

}  // namespace

std::string quoted_name(std::string_view name) {
  return '"' + doubled(name, '"') + '"';
}

std::string literal(std::string_view text) {
  const bool has_backslash = text.find('\\') != std::string_view::npos;
  return (has_backslash ? "E'" : "'") + doubled(doubled(text, '\''), '\\') + "'";
}

std::string create_role(std::string_view name) {
  return fmt::format(R"sql(SET LOCAL pgcurfew.role = {};
DO $pgcurfew$
DECLARE
  role name := pg_catalog.current_setting('pgcurfew.role');
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = role) THEN
    EXECUTE pg_catalog.format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION INHERIT',
                              role);
  END IF;
END $pgcurfew$;
)sql",
                     literal(name));
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kHarmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  if (text.find_first_not_of(kHarmless) == std::string_view::npos) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

Result<void> check_name(std::string_view what, std::string_view name) {
  if (name.empty()) return failure(fmt::format("the name of a {} cannot be empty", what));
  if (name.size() > kLongestName) {
    return failure(
        fmt::format("the name of a {} has at most {} bytes: {}", what, kLongestName, printable(name)));
  }
  return {};
}

}  // namespace pgcurfew::sql
