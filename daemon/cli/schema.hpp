#pragma once

#include <string>

namespace pgcurfew {

/// `pgcurfew schema`: the language's JSON Schema (draft-07), for editors, made from the same table as the
/// parser. It takes all that `check` takes, and refuses what has another structure: unknown, missing and
/// wrongly typed keys, malformed values. What hangs on several values at once or on a range of durations is
/// for `check` alone.
std::string schema_text();

}  // namespace pgcurfew
