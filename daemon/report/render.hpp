#pragma once

#include <string>
#include <string_view>

#include "events/event.hpp"
#include "policy/policy.hpp"

namespace pgcurfew {

/// An event as one JSON object on one line, without the newline.
/// *Shapes*: `ts`, `level`, `event` (the kind), `message`, `server`, then the fields in their order, `id`,
/// `server_time`; a field must not have one of those seven names (it would be left out). Pure ASCII: other
/// characters are `\uNNNN`, and invalid UTF-8 is U+FFFD, so that nothing in it acts on a terminal or splits
/// the line. Each text is cut at 4 kB, with `...` at its end. A query is redacted, in full, or left out, as
/// `query_text` says.
/// *Units*: durations are numbers of seconds, server times are ISO 8601 in UTC,
/// `2026-11-23T04:05:06.000001Z`.
std::string to_json(const Event& event, std::string_view timestamp, QueryText query_text);

/// An event as one line of text, without the newline: `2026-11-23 04:05:06.123Z NOTICE  message  key=value
/// key="value with blanks"`.
/// *Shapes*: each text goes through printable(), is cut at 400 bytes (the message at 1000), and is quoted if
/// it could be misread; inside quotes, `\"` and `\\` are escapes. ANSI escapes occur only with `colour`, and
/// only around the level.
/// *Units*: durations are rounded, and the `_s` at the end of their names is dropped; server times as
/// PostgreSQL prints them in UTC.
std::string to_line(const Event& event, std::string_view timestamp, QueryText query_text, bool colour);

/// An event in brief, without the newline: `04:05:06 WARNING: message`, and the hint, if there is one, on a
/// separate line.
/// *Shapes*: as to_line(); a level only from NOTICE on.
std::string to_brief_line(const Event& event, std::string_view timestamp, bool colour);

/// The level as syslog's priority, a digit.
char priority_of(Level level);

}  // namespace pgcurfew
