#pragma once

#include <string>

namespace pgcurfew {

/// `pgcurfew schema`: the JSON Schema (draft-07) of the files, for editors, made from the same table as the
/// parser. It accepts all that `check` accepts, and refuses a wrong structure: unknown, missing and wrongly
/// typed keys, malformed values. Only `check` finds errors that depend on several values or on a range of
/// durations.
std::string schema_text();

}  // namespace pgcurfew
