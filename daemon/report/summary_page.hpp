#pragma once

#include <string>
#include <vector>

#include "report/summary.hpp"

namespace pgcurfew {

/// What stands at the head of a summary.
struct SummaryHead {
  std::string period;              ///< `2026-11-16 14:03:05 to 2026-11-30 14:03:05 (CET)`
  std::vector<std::string> notes;  ///< what a reader has to know before the numbers
};

/// A summary as one HTML page that can be mailed: no script, nothing from outside, and every text from a
/// client escaped. *Shapes*: UTF-8; the ten most frequent names of each kind. Bars are tables with inline
/// styles, because mail clients show neither SVG nor much of a style sheet.
std::string summary_page(const Summary& summary, const SummaryHead& head);

}  // namespace pgcurfew
