#pragma once

#include <string_view>

namespace pgcurfew {

/// The style sheet of the page: for dark and light, for a desk and a phone.
std::string_view page_style();

/// The script of the page. It moves countdowns and bars by the browser's monotonic clock, from what was left
/// when the page came; fetches the page anew every few seconds and replaces its `main`; and says when no
/// answer comes. The page is complete without it.
std::string_view page_script();

}  // namespace pgcurfew
