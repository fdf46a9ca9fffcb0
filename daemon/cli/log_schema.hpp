#pragma once

#include <string>

namespace pgcurfew {

/// `pgcurfew schema --log`: the JSON Schema (draft-07) of a log line, made from the catalogue of events.
std::string log_schema_text();

}  // namespace pgcurfew
