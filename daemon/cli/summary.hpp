#pragma once

#include <cstdint>
#include <string>

#include "base/segment_files.hpp"
#include "base/time.hpp"
#include "cli/history_options.hpp"
#include "cli/history_query.hpp"
#include "report/summary.hpp"
#include "report/summary_page.hpp"

namespace pgcurfew {

/// What a summary is about.
struct SummaryScope {
  Span asked_for;
  WallTime record_begins{};   ///< earlier events are not, or no longer, in the record
  std::uint64_t lacking = 0;  ///< the number of events that are damaged or were taken out
  std::string filters;        ///< `--rule limit --user app`; empty: everything
};

/// `pgcurfew history --summary`: sums up the decisions, rule by rule. *Errors*: 64 for a time that
/// cannot be read; 77 if the record may not be read.
int show_summary(const SegmentFiles& files, const HistoryOptions& options, WallTime now);

/// The summary for a terminal, several lines.
std::string summary_text(const Summary& summary, const SummaryHead& head);

/// The summary as one JSON object on one line, without the newline.
/// *Shapes*: as pgcurfew-log(5) has it, THE SUMMARY IN JSON. Pure ASCII.
std::string summary_json(const Summary& summary, const SummaryScope& scope);

}  // namespace pgcurfew
