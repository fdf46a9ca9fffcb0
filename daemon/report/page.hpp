#pragma once

#include <string>

#include "base/time.hpp"
#include "report/picture.hpp"

namespace pgcurfew {

/// The state on one screen, for whoever is on call: a page in HTML that updates itself, by page_script() or,
/// without JavaScript, by loading itself again. `now`: as for health_of(); `age`: how old the picture is.
/// *Shapes*: texts that clients choose go through printable() and are escaped. At most kMostBars claims of a
/// server are shown, and the number of the others.
std::string page_of(const Picture& picture, MonotonicTime now, Duration age);

inline constexpr std::size_t kMostBars = 50;

}  // namespace pgcurfew
