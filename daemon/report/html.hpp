#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pgcurfew {

/// A text as it may stand in HTML, between tags or in a quoted attribute.
/// *Shapes*: first as printable() shows it, cut at `limit` bytes: no control character, no invalid byte and
/// no bidirectional override is left. Then `&`, `<`, `>`, `"` and `'` are character references.
std::string escape_html(std::string_view text, std::size_t limit = 400);

}  // namespace pgcurfew
