#pragma once

#include <string_view>
#include <vector>

#include "base/segment_files.hpp"
#include "events/event.hpp"

namespace pgcurfew {

/// The ends, `daemon_stopped`, of what processes that run no more have begun and not ended, as the record has
/// it. `own_run`: that of this process, which is left out. A part of the record that cannot be read is left
/// out, too.
std::vector<Event> find_unfinished(const SegmentFiles& files, std::string_view own_run);

}  // namespace pgcurfew
