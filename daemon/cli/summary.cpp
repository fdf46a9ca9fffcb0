#include "cli/summary.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "app/exit_code.hpp"
#include "base/words.hpp"
#include "cli/by_hand.hpp"
#include "cli/moment.hpp"
#include "cli/printing.hpp"
#include "report/segments.hpp"
#include "report/summary_page.hpp"
#include "report/verdict.hpp"

namespace pgcurfew {

namespace {

/// How long a dry run usually is.
constexpr Duration kTwoWeeks = std::chrono::hours(14 * 24);

std::string filters_of(const HistoryOptions& options) {
  std::string text;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{}{} {}", text.empty() ? "" : " ", name, printable(value, 80));
  };
  add("--server", options.server);
  add("--rule", options.rule);
  add("--drain", options.drain);
  add("--user", options.user);
  add("--database", options.database);
  add("--outcome", options.outcome);
  add("--pid", options.pid ? std::to_string(*options.pid) : "");
  return text;
}

std::string period_text(const SummaryScope& scope) {
  const auto& [since, until] = scope.asked_for;
  return fmt::format("{} to {} ({})", full_local_text(since), full_local_text(until), time_zone_text(until));
}

/// What a reader has to know before the numbers.
std::vector<std::string> notes_of(const Summary& summary, const SummaryScope& scope) {
  std::vector<std::string> notes;
  if (!scope.filters.empty()) notes.push_back(fmt::format("only with {}", scope.filters));
  if (scope.record_begins > scope.asked_for.since)
    notes.push_back(fmt::format("the record begins at {}", full_local_text(scope.record_begins)));
  if (scope.lacking > 0)
    notes.push_back(
        fmt::format("the record lacks {} events, which are damaged or were taken out", scope.lacking));
  if (summary.not_running_s() >= 1)
    notes.push_back(
        fmt::format("no pgcurfew ran for up to {} of this time", rough_text(summary.not_running_s())));
  for (const auto& [outage, lasted] : summary.outages()) {
    const auto& [kind, server] = outage;
    const auto what = kind == Summary::Outage::kRequiredRecord
                          ? std::string("the required record could not be written")
                      : kind == Summary::Outage::kLooksFail
                          ? fmt::format("the sessions of server {} could not be read", printable(server, 80))
                          : fmt::format("server {} was out of reach", printable(server, 80));
    notes.push_back(fmt::format("{} for {}", what, rough_text(lasted)));
  }
  for (const auto& [mode, count] : summary.breakers_opened()) {
    notes.push_back(fmt::format("a bound of safety {} met {} {} (breaker_open): some sessions {} held back",
                                mode == "dry-run" ? "would have been" : "was", count,
                                count == 1 ? "time" : "times",
                                mode == "dry-run" ? "would have been" : "were"));
  }
  return notes;
}

}  // namespace

int show_summary(const SegmentFiles& files, const HistoryOptions& options, WallTime now) {
  const auto span = span_of(options, kTwoWeeks, now);
  if (!span) return complain(span.error(), kExitUsage);
  const auto segments = list_segments(files);
  if (!segments) return complain(segments.error(), kExitNoPermission);
  SummaryScope scope{*span, {}, 0, filters_of(options)};
  if (!segments->empty()) {
    if (const auto oldest = parse_segment_name(segments->front())) scope.record_begins = oldest->created;
  }
  Summary summary({[&](const History::Json& event) { return is_asked_for(event, options, *span); },
                   [&](const History::Json& event) { return is_asked_for_of_server(event, options, *span); },
                   span->since, span->until},
                  local_hour);
  const auto lacking = read_record(files, span->since, [&](const std::string& line) {
    summary.take(line);
    return true;
  });
  if (!lacking) return complain(lacking.error(), kExitNoPermission);
  scope.lacking = *lacking;
  summary.finish();
  const SummaryHead head{period_text(scope), notes_of(summary, scope)};
  if (options.json) {
    print("{}\n", summary_json(summary, scope));
  } else {
    print_text(options.html ? summary_page(summary, head) : summary_text(summary, head));
  }
  return kExitOk;
}

}  // namespace pgcurfew
