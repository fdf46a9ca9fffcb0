#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/segment_files.hpp"
#include "base/time.hpp"
#include "cli/history_options.hpp"
#include "report/history.hpp"

namespace pgcurfew {

/// The time that a user asks about.
struct Span {
  WallTime since{};
  WallTime until{};
};

/// The time that the options name; `by_default`: how long before `now` it begins if they do not say.
/// *Errors*: a time that cannot be read, or a beginning after the end.
Result<Span> span_of(const HistoryOptions& options, Duration by_default, WallTime now);

/// Calls `take` with each line, from about `since` on, as long as it asks for more. Returns the number of
/// events that are damaged or were taken out, and reports it on standard error. *Errors*: the system's.
Result<std::uint64_t> read_record(const SegmentFiles& files, std::optional<WallTime> since,
                                  const std::function<bool(const std::string& line)>& take);

/// When an event happened, by its `ts`.
WallTime time_of(const History::Json& event);

/// Whether a decision, or another event about a session, fits the time and the options.
bool is_asked_for(const History::Json& event, const HistoryOptions& options, const Span& span);
/// The same for an event of a server, for which only the time and the server count.
bool is_asked_for_of_server(const History::Json& event, const HistoryOptions& options, const Span& span);

}  // namespace pgcurfew
