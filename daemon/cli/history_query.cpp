#include "cli/history_query.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "base/iso_time.hpp"
#include "cli/moment.hpp"
#include "cli/printing.hpp"
#include "report/segments.hpp"

namespace pgcurfew {

Result<Span> span_of(const HistoryOptions& options, Duration by_default, WallTime now) {
  Span span{now - by_default, now};
  if (!options.since.empty()) {
    const auto since = parse_moment(options.since, now);
    if (!since) return tl::make_unexpected(since.error());
    span.since = *since;
  }
  if (!options.until.empty()) {
    const auto until = parse_moment(options.until, now, span.since);
    if (!until) return tl::make_unexpected(until.error());
    span.until = *until;
  }
  if (span.since > span.until) return failure("--since is later than --until");
  return span;
}

Result<std::uint64_t> read_record(const SegmentFiles& files, std::optional<WallTime> since,
                                  const std::function<bool(const std::string& line)>& take) {
  RecordReader reader(files);
  if (since) reader.skip_to(*since);
  while (true) {
    const auto lines = reader.read();
    if (!lines) return tl::make_unexpected(lines.error());
    if (lines->empty()) break;
    for (const auto& line : *lines) {
      if (!take(line.text)) return 0;
    }
  }
  const auto lacking = std::max(reader.missed(), reader.damaged());
  if (lacking > 0) {
    print_error_text(
        fmt::format("pgcurfew: the record lacks {} events, which are damaged or were taken out\n", lacking),
        Urgency::kWarning);
  }
  return lacking;
}

WallTime time_of(const History::Json& event) {
  return parse_iso_8601(text_in(event, "ts")).value_or(WallTime{});
}

bool is_asked_for(const History::Json& event, const HistoryOptions& options, const Span& span) {
  const auto fits = [&](const std::string& wanted, std::string_view key) {
    return wanted.empty() || wanted == text_in(event, key);
  };
  return is_asked_for_of_server(event, options, span) && fits(options.rule, "rule") &&
         fits(options.drain, "drain") && fits(options.user, "user") && fits(options.database, "database") &&
         (fits(options.outcome, "outcome") || fits(options.outcome, "end")) &&
         (!options.pid || *options.pid == number_in(event, "pid"));
}

bool is_asked_for_of_server(const History::Json& event, const HistoryOptions& options, const Span& span) {
  const auto time = time_of(event);
  return time >= span.since && time <= span.until &&
         (options.server.empty() || options.server == text_in(event, "server"));
}

}  // namespace pgcurfew
