#pragma once

#include <string>
#include <string_view>

#include "base/time.hpp"
#include "report/picture.hpp"

namespace pgcurfew {

/// The state on one screen, for people who are called: a page in HTML that loads itself again every few
/// seconds and has no script. *Shapes*: texts that clients choose go through printable() and are escaped.
std::string page_of(const Picture& picture, MonotonicTime now);

/// Its style sheet.
std::string_view page_style();

}  // namespace pgcurfew
