#pragma once

#include <string>
#include <string_view>

namespace pgcurfew {

/// A query's text without its literals and comments: every literal becomes `?`, comments are removed.
///
/// *Shapes*: strings of all kinds ('', E'', U&'', N'', B'', X'', $tag$) and numbers become `?`; a list of
/// only literals becomes `(?, ...)`; white space and comments become one blank; words, "quoted names",
/// operators and $1 stay as they are, including invalid bytes, which are left to printable(). If the text is
/// cut inside a literal or comment, or PostgreSQL's versions and settings disagree on where one ends, the
/// rest is dropped and the result ends in `...`. At most twice as long as the query, plus 8 bytes. Redacting
/// twice changes nothing more.
/// *Errors*: none. Linear time, whatever the bytes.
/// *Source*: PostgreSQL manual, 4.1; src/backend/parser/scan.l of 10 to 18.
std::string redact(std::string_view query);

}  // namespace pgcurfew
