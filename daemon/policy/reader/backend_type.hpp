#pragma once

#include <string>
#include <string_view>

namespace pgcurfew {

/// The result for a rule that names a backend_type.
struct BackendTypeVerdict {
  enum class Kind { kFine, kUnknown, kRefused };
  Kind kind = Kind::kFine;
  std::string_view reason;  ///< for kRefused: a whole sentence
};

/// *Source*: pg_stat_activity.backend_type in PostgreSQL 10 to 18 (miscinit.c, GetBackendTypeDesc);
/// extensions register any other name for their background workers.
BackendTypeVerdict judge_backend_type(std::string_view name);

/// `Did you mean "x"?`, or empty.
std::string backend_type_hint(std::string_view written);

}  // namespace pgcurfew
