#pragma once

#include "cli/history_options.hpp"

namespace pgcurfew {

/// `pgcurfew history`: prints what was decided, from the record. *Errors*: 64 for a time that cannot be read;
/// 66 if there is no record, or no such decision; 77 if it may not be read.
int show_history(const HistoryOptions& options);

}  // namespace pgcurfew
