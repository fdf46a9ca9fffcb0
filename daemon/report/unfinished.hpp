#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/segment_files.hpp"
#include "events/event.hpp"

namespace pgcurfew {

/// The ends, `daemon_stopped`, of what dead processes have begun and, by the record, not ended. `own_run`:
/// that of this process, which is left out. None if the record cannot be read, or if it is cancelled
/// meanwhile.
std::vector<Event> find_unfinished(const SegmentFiles& files, std::string_view own_run,
                                   const std::function<bool()>& is_cancelled);

}  // namespace pgcurfew
